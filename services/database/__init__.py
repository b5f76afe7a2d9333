"""The job store's engine, base class and migrations; every domain keeps its own tables beside its
code."""

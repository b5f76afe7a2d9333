"""The job store's engine, base class and migrations.

Every domain keeps its own tables beside its code.
"""

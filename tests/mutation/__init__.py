"""Small faults put into the source one by one, to see whether a test notices: `python -m
tests.mutation`."""

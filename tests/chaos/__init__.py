"""Random kills of every kind of process while small jobs run.

python -m tests.chaos --kills 50
"""

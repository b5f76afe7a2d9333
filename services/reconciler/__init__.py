"""The one loop that moves jobs: submits, watches, copies what drivers leave, and closes."""

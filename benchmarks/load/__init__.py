"""How the service does under load: `python -m benchmarks.load` (`make load`).

docs/service-load.md tells the results.
"""

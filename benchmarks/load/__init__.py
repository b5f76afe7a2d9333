"""How the service does under load: `python -m benchmarks.load` (`make load`); docs/load.md tells what it said."""

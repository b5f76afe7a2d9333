"""All measurements of the service under load, printed and as JSON.

python -m benchmarks.load [--jobs N] [--requests N] [--executor ray|process] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.load import measures, service


def measure(home: Path, n_jobs: int, n_requests: int, executor: str) -> dict[str, Any]:
    """Everything, on one service."""
    files = home / "static"
    files.mkdir()
    service.fill(home, n_jobs)
    with service.running(home, HYPERADAM_EXECUTOR=executor) as client:
        return {
            "load of the machine": os.getloadavg()[0],
            "cores": os.cpu_count(),
            "submit to first update, s, cold": measures.first_update(client),
            "submit to first update, s, warm": measures.first_update(client),
            "download, ms": measures.downloads(client, files, max(10, n_requests // 10)),
            f"reads with {n_jobs:,} jobs, ms": measures.reads(client, n_jobs, n_requests),
            "load of the machine at the end": os.getloadavg()[0],
        }


def told(found: dict[str, Any], indent: int = 0) -> list[str]:
    """Lines for people."""
    lines = []
    for name, value in found.items():
        if isinstance(value, dict) and set(value) == {"p50_ms", "p99_ms", "n"}:
            text = f"p50 {value['p50_ms']:.1f}, p99 {value['p99_ms']:.1f} ({value['n']} calls)"
            lines.append(f"{'  ' * indent}{name}: {text}")
        elif isinstance(value, dict):
            lines += [f"{'  ' * indent}{name}", *told(value, indent + 1)]
        else:
            text = f"{value:.2f}" if isinstance(value, float) else value
            lines.append(f"{'  ' * indent}{name}: {text}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="jobs in the store")
    parser.add_argument("--requests", type=int, default=500, help="calls of each kind")
    parser.add_argument("--executor", choices=["ray", "process"], default="ray")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        found = measure(Path(home), given.jobs, given.requests, given.executor)
    print("\n".join(told(found)))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

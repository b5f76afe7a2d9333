"""All measurements of the service under load: a table, and JSON.

python -m benchmarks.load [--only PART]... [--jobs N] [--requests N] [--executor ray|process]
[--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.load import measures, service
from benchmarks.load.figures import HEAD, Figure


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is measured."""

    n_jobs: int
    """In the store."""
    n_requests: int
    """Of each kind of read; a tenth of them of each download, five times over."""
    executor: str


def downloads(effort: Effort) -> Iterator[Figure]:
    with _service(effort, 0, standby=False) as one:
        files = one.home / "static"
        files.mkdir()
        yield from measures.downloads(one, files, max(4, effort.n_requests // 10))


def reads(effort: Effort) -> Iterator[Figure]:
    with _service(effort, effort.n_jobs) as one:
        yield from measures.reads(one, effort.n_jobs, effort.n_requests)


def first_update(effort: Effort) -> Iterator[Figure]:
    with _service(effort, 0) as one:
        yield measures.first_update(one, "submission to first update", at_least=10, aim=3)
    with _service(effort, 0, standby=False) as one:
        yield measures.first_update(one, "the same, no driver kept ready")


PARTS: Final[dict[str, Callable[[Effort], Iterator[Figure]]]] = {
    "downloads": downloads,
    "reads": reads,
    "first-update": first_update,
}


@contextmanager
def _service(effort: Effort, n_jobs: int, *, standby: bool = True) -> Iterator[service.Service]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        service.fill(Path(home), n_jobs)
        with service.running(Path(home), effort.executor, standby=standby) as one:
            yield one


def measure(effort: Effort, only: Collection[str] = ()) -> Iterator[Figure]:
    """The figures of all parts, or of some, as they come."""
    for name, part in PARTS.items():
        if not only or name in only:
            yield from part(effort)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=list(PARTS),
        default=[],
        help="this part (again: that too)",
    )
    parser.add_argument("--jobs", type=int, default=10_000, help="jobs in the store")
    parser.add_argument("--requests", type=int, default=500, help="calls of each kind")
    parser.add_argument("--executor", choices=["ray", "process"], default="ray")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    effort = Effort(n_jobs=given.jobs, n_requests=given.requests, executor=given.executor)
    machine, began, figures = (
        {"cores": os.cpu_count(), "load": os.getloadavg()[0]},
        time.monotonic(),
        [],
    )
    print(HEAD)
    for figure in measure(effort, given.only):
        print(figure.line(), flush=True)
        figures.append(figure.as_json())
    machine |= {"load at the end": os.getloadavg()[0], "minutes": (time.monotonic() - began) / 60}
    print(", ".join(f"{name} {value:.3g}" for name, value in machine.items()))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps({"machine": machine, "figures": figures}, indent=1))


if __name__ == "__main__":
    main()

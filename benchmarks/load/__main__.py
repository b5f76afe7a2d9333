"""All measurements of the service under load: a table, and JSON.

python -m benchmarks.load [--only PART]... [--jobs N] [--requests N]
                          [--executor ray|process] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.load import durability, liveness, measures
from benchmarks.load.figures import HEAD, Figure
from benchmarks.load.service import Service, fill_store, run_service
from benchmarks.measuring import write_json


@dataclass(frozen=True, kw_only=True)
class Load:
    """How much is asked of the service."""

    n_jobs: int
    """In the store."""
    n_requests: int
    """Of each kind of read; a tenth of them of each download, five times over."""
    executor: str


def measure_downloads(load: Load) -> Iterator[Figure]:
    with _run_service(load, 0, standby=False) as service:
        folder = service.home / "static"
        folder.mkdir()
        yield from measures.measure_downloads(service, folder, max(4, load.n_requests // 10))


def measure_reads(load: Load) -> Iterator[Figure]:
    with _run_service(load, load.n_jobs) as service:
        yield from measures.measure_reads(service, load.n_jobs, load.n_requests)


def measure_first_update(load: Load) -> Iterator[Figure]:
    with _run_service(load, 0) as service:
        name = "submission to first update"
        yield measures.measure_first_update(service, name, at_least=10, aim=3)
    with _run_service(load, 0, standby=False) as service:
        yield measures.measure_first_update(service, "the same, no driver kept ready")


def measure_liveness(load: Load) -> Iterator[Figure]:
    with ExitStack() as stack:
        with liveness.usual_descriptors():
            service = stack.enter_context(_run_service(load, 0, standby=False))
        yield from liveness.measure_liveness(service, load.n_requests)


def measure_durability(load: Load) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        yield from durability.measure_durability(Path(folder), load.n_requests)


PARTS: Final[dict[str, Callable[[Load], Iterator[Figure]]]] = {
    "downloads": measure_downloads,
    "reads": measure_reads,
    "first-update": measure_first_update,
    "liveness": measure_liveness,
    "durability": measure_durability,
}


@contextmanager
def _run_service(load: Load, n_jobs: int, *, standby: bool = True) -> Iterator[Service]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        fill_store(home, n_jobs)
        with run_service(home, load.executor, standby=standby) as service:
            yield service


def measure(load: Load, only: Collection[str] = ()) -> Iterator[Figure]:
    """The figures of all parts, or of some, as they come."""
    for name, measure_part in PARTS.items():
        if not only or name in only:
            yield from measure_part(load)


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
    options = parser.parse_args(arguments)
    load = Load(n_jobs=options.jobs, n_requests=options.requests, executor=options.executor)
    measure_table(load, options.only, options.json)


def measure_table(load: Load, only: Collection[str], target: Path | None) -> None:
    """Print the table of the figures, and write it."""
    machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0]}
    began = time.monotonic()
    figures = []
    print(HEAD)
    for figure in measure(load, only):
        print(figure.line(), flush=True)
        figures.append(figure.as_json())

    machine["load at the end"] = os.getloadavg()[0]
    machine["minutes"] = (time.monotonic() - began) / 60
    print(", ".join(f"{name} {value:.3g}" for name, value in machine.items()))
    if target:
        write_json(target, {"machine": machine, "figures": figures})


if __name__ == "__main__":
    main()

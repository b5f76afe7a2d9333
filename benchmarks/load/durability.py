"""What it costs that a submission which was answered is there after a power failure: commits of the
job store with `synchronous=FULL`, as it is, beside `NORMAL`, in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import insert

from benchmarks.load.figures import Figure, summarize
from benchmarks.load.service import make_job_row
from services.database.base import Database
from services.database.migrations import upgrade
from services.jobs.tables import Job

ROUNDS = 5
MODES = ("FULL", "NORMAL")


def measure_durability(folder: Path, n: int) -> Iterator[Figure]:
    """Milliseconds of writing one job, in a transaction of its own."""
    database = Database(f"sqlite:///{folder / 'jobs.db'}", pool_size=1)
    upgrade(database)
    times: dict[str, list[float]] = {mode: [] for mode in MODES}
    n_jobs = 0
    for _ in range(ROUNDS):
        for mode in MODES:
            _set_mode(database, mode)
            for _ in range(max(1, n // ROUNDS)):
                times[mode].append(_write_job(database, n_jobs))
                n_jobs += 1
    database.dispose()

    medians = {f"ms {mode}": statistics.median(times[mode]) for mode in MODES}
    p99s = {f"ms {mode} p99": summarize(times[mode])["p99"] for mode in MODES}
    yield Figure(
        name="a commit, FULL over NORMAL",
        value=medians["ms FULL"] / medians["ms NORMAL"],
        unit="×",
        details={**medians, **p99s},
    )


def _set_mode(database: Database, mode: str) -> None:
    """Of the one connection of the pool."""
    with database.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute(f"PRAGMA synchronous={mode}")
        [(level,)] = raw.execute("PRAGMA synchronous").fetchall()
    assert level == {"NORMAL": 1, "FULL": 2}[mode]


def _write_job(database: Database, number: int) -> float:
    begin = time.perf_counter()
    with database.write() as session:
        session.execute(insert(Job), [make_job_row(number, {"preset": "quick"})])
    return (time.perf_counter() - begin) * 1000

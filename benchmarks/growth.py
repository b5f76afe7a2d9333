"""What jobs leave in a home, and what is left of it after pruning.

    python -m benchmarks.growth --jobs 10000 --runs 100

Rows of the job store are written for all jobs, by the service's own functions. Runs in MLflow take
a tenth of a second each, so they are made for fewer jobs, and their bytes are multiplied. What a
quick job leaves is what one left that was looked at: 18 files of events, four checkpoints of 106
KiB, a result, a log of 4 KiB and a version.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from hyperadam.theta import Theta

from registry import MetricPoint, Registry
from services.auth.scopes import Principal
from services.database.base import now
from services.housekeeping.folders import measure
from services.housekeeping.pruner import Pruner
from services.jobs import changes, schemas
from services.jobs.lifecycle import State, Trigger
from services.jobs.specs import complete_spec
from services.jobs.submission import make_row
from services.reconciler import ingest
from services.reconciler.snapshots import LockedRows
from services.settings import Settings
from services.stores import open_stores

CHECKPOINT_BYTES: Final = 108_508
N_EVENT_FILES: Final = 18
N_PROGRESS: Final = 10
N_POINTS: Final = 50
LOG_BYTES: Final = 4000
LONG_AGO: Final = timedelta(days=100)
STATED_BYTES: Final = 2_000_000_000
"""A home that ran 10,000 quick jobs takes less, after pruning."""
STATED_JOBS: Final = 10_000
LARGEST: Final = "hyperadam-v1"
"""Of the Θ that come with the package: 25 kB."""


@dataclass
class Growth:
    """Bytes of each part of a home."""

    n_jobs: int
    n_runs: int
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)

    def estimate(self, parts: dict[str, int], n_jobs: int) -> float:
        """Bytes of a home with so many jobs."""
        of_rows = parts["job store"] / self.n_jobs
        of_runs = (parts["registry"] + parts["files"]) / self.n_runs
        return n_jobs * (of_rows + of_runs)


def measure_growth(home: Path, n_jobs: int, n_runs: int, theta: Theta) -> Growth:
    """Write the jobs, look, prune all that can be pruned without deleting jobs, and look again."""
    settings = Settings(home=home, executor="process")
    database, registry = open_stores(settings)
    growth = Growth(n_jobs=n_jobs, n_runs=n_runs)
    start = _flush(home)
    spec = complete_spec("meta-training", {"preset": "quick"}, registry)
    for number in range(n_jobs):
        run_id = _leave_run(registry, number, theta) if number < n_runs else None
        with database.write() as session:
            request = schemas.JobRequest(kind="meta-training", spec={"preset": "quick"})
            principal = Principal.of_key("simulated", "simulated", ["submit"], "default")
            job = make_row(f"job_{number:016d}", request, spec, principal, None)
            session.add(job)
            session.flush()
            _live(LockedRows(session, job, changes.begin_attempt(session, job)), run_id)
    growth.before = _subtract(_flush(home), start)
    pruner = Pruner(settings=settings, database=database, registry=registry)
    for category in ("logs", "events", "checkpoints", "processes"):
        pruner.prune(category, now() - LONG_AGO / 2)
    database.shrink()
    growth.after = _subtract(_flush(home), start)
    registry.close()
    database.dispose()
    return growth


def _live(rows: LockedRows, run_id: str | None) -> None:
    """The job runs, succeeds, and lies in the past."""
    session, job, attempt = rows
    session.flush()
    changes.record_submission(job, attempt, run_id or "")
    changes.mark_running(session, job, attempt)
    for update in range(N_PROGRESS):
        data = {"update": update, "n_updates": 50, "meta_loss": 1.25, "eta_seconds": 12.5}
        changes.append_event(session, job, "progress", data)
    for kind in ("started", "validation", "checkpoint", "checkpoint", "version", "finished"):
        changes.append_event(session, job, kind, {"update": 50})
    ingest.add_log(rows, b"a line of a log, with what the driver says\n" * (LOG_BYTES // 43), 10**6)
    changes.end_attempt(session, job, attempt, Trigger.SUCCEED)
    job.ended_at = now() - LONG_AGO
    job.run_id = run_id
    assert job.state == State.SUCCEEDED


def _leave_run(registry: Registry, number: int, theta: Theta) -> str:
    """What a quick job leaves in its run."""
    run_id = registry.open_run(f"job_{number:016d}", name="", tags={"kind": "meta-training"})
    files = {"job.json": 3000, "attempts/0001/done.json": 300, "best/checkpoint.safetensors": 0}
    files |= {f"events/0001-{index:06d}.jsonl": 236 for index in range(N_EVENT_FILES)}
    files |= {"result/result.json": 2000, "result/curves.svg": 9000, "result/report.md": 1500}
    for update in (30, 40, 50):
        files[f"checkpoints/{update:08d}.safetensors"] = 0
    for path, n_bytes in files.items():
        registry.put_artifact(run_id, path, b"x" * (n_bytes or CHECKPOINT_BYTES))
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    points = [
        MetricPoint(name=name, value=0.5, step=step, time=moment)
        for name in ("meta_loss", "gradient_norm", "meta_rate", "learner_steps_per_second")
        for step in range(N_POINTS)
    ]
    registry.log_metrics(run_id, points)
    registry.create_version("simulated", theta, key=f"job_{number:016d}", run_id=run_id)
    registry.close_run(run_id, "finished")
    return run_id


def _flush(home: Path) -> dict[str, int]:
    """The sizes, after the newest writes are where they stay."""
    for name in ("jobs.db", "mlflow.db"):
        with closing(sqlite3.connect(home / name)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return _measure_parts(home)


def _measure_parts(home: Path) -> dict[str, int]:
    """Blocks on the disk; of databases, with their logs of writes."""
    return {
        "job store": sum(measure(path) for path in home.glob("jobs.db*")),
        "registry": sum(measure(path) for path in home.glob("mlflow.db*")),
        "files": measure(home / "artifacts"),
    }


def _subtract(parts: dict[str, int], others: dict[str, int]) -> dict[str, int]:
    return {name: n_bytes - others[name] for name, n_bytes in parts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=20, help="of these, in the registry too")
    parser.add_argument("--home", type=Path, help="an empty folder; default: a temporary one")
    options = parser.parse_args()
    from hyperadam import pretrained

    with tempfile.TemporaryDirectory() as folder:
        home = options.home or Path(folder)
        growth = measure_growth(home, options.jobs, options.runs, pretrained(LARGEST))
    content = {
        "jobs": growth.n_jobs,
        "runs": growth.n_runs,
        "bytes_before": growth.before,
        "bytes_after": growth.after,
        "of_10000_jobs_before": round(growth.estimate(growth.before, STATED_JOBS)),
        "of_10000_jobs_after": round(growth.estimate(growth.after, STATED_JOBS)),
    }
    sys.stdout.write(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()

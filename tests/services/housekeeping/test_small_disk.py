"""A disk that is full is told, and pruning makes room: on a small one of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from hyperadam import pretrained

from benchmarks.growth import LARGEST, STATED_BYTES, STATED_JOBS, measure_growth
from registry import Registry, RegistryError
from services.container import Container
from services.database.base import Database, now
from services.health.checks import Examiner
from services.housekeeping.pruner import Pruner
from services.jobs import changes, schemas
from services.jobs.lifecycle import State, Trigger
from services.jobs.specs import complete_spec
from services.jobs.submission import make_row
from services.reconciler.loop import Reconciler
from services.settings import Settings
from services.stores import open_stores
from tests.services.support import PlayedExecutor

pytestmark = pytest.mark.slow
DISK_MEBIBYTES = 40
MEBIBYTE = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory of so many mebibytes."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEBIBYTES}m,mode=700", "tmpfs", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def add_job(database: Database, registry: Registry, job_id: str) -> None:
    request = schemas.JobRequest(kind="meta-training", spec={"preset": "quick"})
    spec = complete_spec("meta-training", {"preset": "quick"}, registry)
    services = Container(settings=Settings(), database=database, registry=registry)
    key = services.api_keys.create(job_id, ["submit"])
    principal = services.api_keys.verify(key.key)
    assert principal is not None
    with database.write() as session:
        session.add(make_row(job_id, request, spec, principal, None))


def end_long_ago(database: Database, job_id: str, run_id: str) -> None:
    with database.write() as session:
        job = changes.lock_job(session, job_id)
        assert job is not None
        attempt = changes.begin_attempt(session, job)
        session.flush()
        changes.record_submission(job, attempt, run_id)
        changes.end_attempt(session, job, attempt, Trigger.SUCCEED)
        job.ended_at = now() - timedelta(days=30)


def fill_with_checkpoints(registry: Registry, run_id: str) -> None:
    for update in range(2 * DISK_MEBIBYTES):
        path = f"checkpoints/{update:08d}.safetensors"
        registry.put_artifact(run_id, path, bytes(MEBIBYTE))


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def read_state(database: Database, job_id: str) -> str:
    with database.read() as session:
        job = changes.lock_job(session, job_id)
        assert job is not None
        return job.state


def test_a_full_disk_is_told_and_pruning_makes_room(small_disk: Path) -> None:
    settings = Settings(home=small_disk, executor="process")
    database, registry = open_stores(settings)
    for job_id in ("job_old", "job_new"):
        add_job(database, registry, job_id)
    run_id = registry.open_run("job_old", name="")
    end_long_ago(database, "job_old", run_id)
    reconciler = Reconciler(settings, database, registry, PlayedExecutor())
    with pytest.raises(RegistryError, match="cannot be stored"):
        fill_with_checkpoints(registry, run_id)
    with pytest.raises(OSError, match="space"):
        fill(small_disk / "rest")

    told = anyio.run(Examiner(database, registry, 60).examine)
    assert "full" in told["registry"]
    (small_disk / "rest").unlink()
    reconciler.tick()
    kept = [file.path for file in registry.list_artifacts(run_id, "checkpoints")]
    assert kept
    finding = Pruner(settings=settings, database=database, registry=registry).prune(
        "checkpoints", now() - timedelta(days=7)
    )
    assert finding.n_items == len(kept)
    assert anyio.run(Examiner(database, registry, 60).examine)["registry"] == "ok"
    reconciler.tick()
    assert read_state(database, "job_new") == State.STARTING
    reconciler.release()
    registry.close()
    database.dispose()


def test_ten_thousand_quick_jobs_stay_under_the_stated_size(tmp_path: Path) -> None:
    growth = measure_growth(tmp_path, n_jobs=60, n_runs=6, theta=pretrained(LARGEST))
    before = growth.estimate(growth.before, STATED_JOBS)
    after = growth.estimate(growth.after, STATED_JOBS)
    assert before > 3 * STATED_BYTES  # there is something to prune
    assert after < STATED_BYTES, growth

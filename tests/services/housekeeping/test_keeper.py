"""The reconciler keeps house by the settings, a step at a time, and no wrong clock empties it."""

from __future__ import annotations

import fcntl
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from meta_trainer.driver import standby_orders
from registry.memory import InMemoryRegistry
from services.database.base import Database, now
from services.executors import supervisor
from services.housekeeping import keeper
from services.housekeeping.folders import prune_folders
from services.housekeeping.keeper import Housekeeper
from services.settings import Settings
from tests.services.housekeeping.conftest import Past
from tests.services.support import Stage


def make_keeper(
    settings: Settings, database: Database, registry: InMemoryRegistry, ahead: timedelta
) -> Housekeeper:
    kept = settings.model_copy(update={"keep_jobs_days": 10.0})
    return Housekeeper(kept, database, registry, database.write, clock=lambda: now() + ahead)


def test_old_jobs_go_and_a_round_is_an_hour_from_the_next(
    past: Past, settings: Settings, database: Database, registry: InMemoryRegistry
) -> None:
    old = past.run_job(11)
    young = past.run_job(9)
    housekeeper = make_keeper(settings, database, registry, timedelta())
    housekeeper.step()
    assert past.read(old) is None
    past.set_end(young, 11)
    housekeeper.step()
    assert past.read(young) is not None


def test_a_round_goes_on_until_it_is_through(
    past: Past,
    settings: Settings,
    database: Database,
    registry: InMemoryRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = [past.run_job(11) for _ in range(3)]
    monkeypatch.setattr(keeper, "STEP_JOBS", 2)
    housekeeper = make_keeper(settings, database, registry, timedelta())
    housekeeper.step()
    assert sum(past.read(job) is None for job in jobs) == 2
    housekeeper.step()
    assert [past.read(job) for job in jobs] == [None] * 3


def test_a_clock_that_is_a_year_ahead_makes_nothing_old(
    past: Past, settings: Settings, database: Database, registry: InMemoryRegistry
) -> None:
    old = past.run_job(11)
    young = past.run_job(1)
    make_keeper(settings, database, registry, timedelta()).step()
    make_keeper(settings, database, registry, timedelta(days=365)).step()
    assert (past.read(old), past.read(young) is not None) == (None, True)
    make_keeper(settings, database, registry, -timedelta(days=365)).step()
    assert past.read(young) is not None


def make_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / supervisor.LOCK).touch()
    (path / supervisor.LOG).write_bytes(b"x" * 10_000)
    return path


def test_folders_of_processes_go_with_their_attempts_and_their_jobs(
    stage: Stage, past: Past, database: Database, settings: Settings
) -> None:
    old = past.run_job(3)
    young = past.run_job(0.5)
    gone = past.run_job(0.5)
    running = stage.submit()
    stage.tick()
    processes = settings.home / "processes"
    folders = {job: make_folder(processes / f"{job}-a1") for job in (old, young, gone, running)}
    ready = settings.home / "standby" / "standby-1"
    driver = make_folder(processes / "standby-1")
    ready.mkdir(parents=True)
    order = standby_orders.Order(process_id=f"{gone}-a1", run_id="r", attempt=1)
    standby_orders.give_order(ready, order)
    waiting = settings.home / "standby" / "standby-2"
    waiting.mkdir()

    cut = now() - timedelta(days=1)
    stage.client.delete(f"/v1/jobs/{gone}").raise_for_status()
    looked = prune_folders(database, settings.home, cut, dry=True)
    removed = prune_folders(database, settings.home, cut, dry=False)
    assert looked == removed
    assert (removed.n_items, (removed.n_bytes or 0) > 30_000) == (4, True)
    left = [folder.exists() for folder in (folders[old], folders[gone], ready, driver)]
    assert left == [False] * 4
    assert folders[young].exists()
    assert folders[running].exists()
    assert waiting.exists()


def test_a_folder_of_a_process_that_lives_stays(
    past: Past, database: Database, settings: Settings
) -> None:
    job = past.run_job(3)
    folder = make_folder(settings.home / "processes" / f"{job}-a1")
    command = ["sleep", "30"]
    lock = (folder / supervisor.LOCK).open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    process = subprocess.Popen(command, pass_fds=[lock.fileno()])
    lock.close()
    try:
        assert prune_folders(database, settings.home, now(), dry=False).n_items == 0
        assert folder.exists()
    finally:
        process.kill()
        process.wait()

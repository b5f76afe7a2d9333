"""Crashes of the reconciler, and trouble with a job or with the executor: nothing is lost or done
twice."""

from __future__ import annotations

import pytest

from services.database.base import Database
from services.reconciler import executor_health, troubles
from services.reconciler.lease import LeaseWatch
from services.reconciler.loop import Reconciler
from services.settings import Settings
from tests.services.support import PlayedExecutor, Stage


def test_crash_between_submission_and_its_record_starts_nothing_twice(
    stage: Stage, settings: Settings, database: Database, executor: PlayedExecutor
) -> None:
    job = stage.submit()
    executor.broken[f"{job}-a1"] = KeyboardInterrupt()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        stage.tick()
    executor.broken.clear()
    stage.reconciler.release()
    stage.reconciler = Reconciler(settings, database, stage.registry, executor)
    stage.tick()
    assert executor.submissions == [f"{job}-a1"] * 2
    assert list(executor.processes) == [f"{job}-a1"]
    assert stage.job(job)["attempt"] == 1


def test_cancel_of_a_job_whose_submission_was_not_recorded_still_stops_it(stage: Stage) -> None:
    job = stage.submit()
    stage.executor.broken[f"{job}-a1"] = KeyboardInterrupt()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        stage.tick()
    stage.act(job, "cancel")
    stage.tick()
    assert stage.process(job).signals == ["stop"]
    stage.finish(job, "stopped")
    stage.tick()
    assert stage.state(job) == "cancelled"


def test_trouble_of_one_job_leaves_the_others_alone(
    stage: Stage,
    settings: Settings,
    database: Database,
    executor: PlayedExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    roomy = settings.model_copy(update={"max_running_jobs": 2})
    stage.reconciler = Reconciler(roomy, database, stage.registry, executor)
    monkeypatch.setattr(troubles, "LONGEST_PAUSE_SECONDS", 0.0)
    cursed = stage.submit()
    healthy = stage.submit()
    executor.broken[f"{cursed}-a1"] = ValueError("no such thing")
    stage.tick(2)
    stage.finish(healthy, "succeeded")
    stage.tick()
    assert stage.state(healthy) == "succeeded"
    assert stage.event_types(cursed).count("service.trouble") == 1
    stage.tick(troubles.MAX_FAULTS)
    assert stage.state(cursed) == "failed"
    assert stage.job(cursed)["error"] == {
        "type": "SubmissionFailed",
        "message": "ValueError: no such thing",
    }


def test_unreachable_executor_loses_nothing_and_is_told(
    stage: Stage, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor_health, "CHECK_SECONDS", 0.0)
    running = stage.submit()
    waiting = stage.submit()
    stage.tick()
    assert LeaseWatch(database, 15).look().executor == "ok"
    stage.executor.down = "Ray does not answer"
    stage.tick(2)
    assert [stage.state(job) for job in (running, waiting)] == ["starting", "queued"]
    assert LeaseWatch(database, 15).look().executor == "Ray does not answer"
    stage.executor.down = None
    stage.finish(running, "succeeded")
    stage.tick(2)
    assert [stage.state(job) for job in (running, waiting)] == ["succeeded", "starting"]

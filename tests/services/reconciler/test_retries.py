"""Attempts that vanish without a last word are tried again, after a pause and with a bound; so is a
silent cluster."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.database.base import Database
from services.executors.contract import ExecutorUnavailable
from services.jobs import changes
from services.reconciler import executor_health, troubles
from services.reconciler.loop import Reconciler
from services.settings import Settings
from tests.services.support import PlayedExecutor, Stage

pytestmark = pytest.mark.slow

VERSION = {"optimizer": "hyperadam", "number": 1, "sha256": "ab" * 32}


def lose(stage: Stage, job: str, attempt: int) -> None:
    """kill -9 of the driver."""
    stage.process(job, attempt).status = "failed"
    stage.tick()


def progress(update: int) -> tuple[str, dict[str, Any]]:
    return ("progress", {"update": update, "n_updates": 50, "meta_loss": 2.0, "eta_seconds": 30.0})


def attempts(stage: Stage, job: str) -> list[tuple[int, str]]:
    items = stage.client.get(f"/v1/jobs/{job}/attempts").json()["items"]
    return [(item["number"], item["state"]) for item in items]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "compute_pause", lambda in_a_row, first_seconds: timedelta())


@pytest.mark.usefixtures("at_once")
def test_killed_twice_then_succeeds_as_the_third_attempt(stage: Stage) -> None:
    job = stage.submit()
    stage.tick()
    lose(stage, job, 1)
    assert stage.state(job) == "queued"
    stage.tick()
    assert stage.state(job) == "starting"
    lose(stage, job, 2)
    stage.tick()
    assert stage.process(job, 3).argv[-1] == "3"
    stage.finish(job, "succeeded", attempt=3, version=VERSION)
    stage.tick()
    done = stage.job(job)
    assert (done["state"], done["error"], done["version"]) == ("succeeded", None, VERSION)
    assert attempts(stage, job) == [(1, "lost"), (2, "lost"), (3, "succeeded")]
    assert stage.event_types(job).count("job.ended") == 1


def test_the_pause_before_a_retry_is_told_and_kept(stage: Stage) -> None:
    job = stage.submit()
    stage.tick()
    stage.process(job).log = b"Killed: out of memory\n"
    lose(stage, job, 1)
    event = stage.events(job)[-1]
    assert (event["type"], event["attempt"], event["data"]["attempt"]) == ("job.retry", 1, 2)
    assert event["data"]["reason"] == "the process of attempt 1 ended (failed) without a last word"
    retry_at = datetime.fromisoformat(event["data"]["retry_at"])
    assert timedelta(0) < retry_at - datetime.now(UTC) <= timedelta(seconds=1)
    waiting = stage.job(job)
    assert (waiting["state"], waiting["error"], waiting["queue_position"]) == ("queued", None, 1)
    assert datetime.fromisoformat(waiting["retry_at"]) == retry_at
    stage.tick(2)
    assert stage.state(job) == "queued"
    stage.tick_until(job, "starting")
    assert datetime.now(UTC) >= retry_at
    assert stage.job(job)["retry_at"] is None


def test_others_start_while_one_waits_for_its_retry(stage: Stage) -> None:
    unlucky = stage.submit()
    next_one = stage.submit()
    stage.tick()
    lose(stage, unlucky, 1)
    stage.tick()
    assert [stage.state(job) for job in (unlucky, next_one)] == ["queued", "starting"]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("way", ["killed", "forgotten"])
def test_too_many_losses_in_a_row_fail_the_job_with_the_end_of_its_log(
    stage: Stage, settings: Settings, way: str
) -> None:
    job = stage.submit()
    for attempt in range(1, settings.max_attempts + 1):
        stage.tick()
        stage.process(job, attempt).log = f"out of memory {attempt}\n".encode()
        stage.process(job, attempt).status = "failed" if way == "killed" else "unknown"
        stage.tick()
    failed = stage.job(job)
    assert (failed["state"], failed["attempt"], failed["error"]["type"]) == (
        "failed",
        5,
        "DriverLost",
    )
    assert failed["error"]["message"].startswith("the process of attempt 5 ended")
    assert failed["error"]["message"].endswith("out of memory 5")
    assert attempts(stage, job) == [(number, "lost") for number in range(1, 6)]
    assert stage.event_types(job).count("job.retry") == 4
    stage.tick(2)
    assert f"{job}-a6" not in stage.executor.processes


@pytest.mark.usefixtures("at_once")
def test_progress_begins_the_count_again(
    stage: Stage, settings: Settings, database: Database, executor: PlayedExecutor
) -> None:
    strict = settings.model_copy(update={"max_attempts": 2})
    stage.reconciler = Reconciler(strict, database, stage.registry, executor)
    job = stage.submit()
    for attempt, update in enumerate([10, 20, 15, 30, 30], start=1):
        stage.tick()
        stage.drive(job, progress(update), attempt=attempt)
        lose(stage, job, attempt)
        assert stage.state(job) == "queued", attempt
    stage.tick()
    stage.drive(job, progress(29), attempt=6)
    lose(stage, job, 6)
    assert stage.state(job) == "failed"


@pytest.mark.usefixtures("at_once")
def test_what_the_driver_calls_final_is_not_tried_again(stage: Stage) -> None:
    job = stage.submit()
    stage.tick()
    lose(stage, job, 1)
    stage.tick()
    stage.finish(
        job,
        "failed",
        attempt=2,
        error={"type": "DatasetMissing", "message": "get it so", "final": True},
    )
    stage.tick(3)
    assert (stage.state(job), attempts(stage, job)) == ("failed", [(1, "lost"), (2, "failed")])
    assert stage.job(job)["error"] == {"type": "DatasetMissing", "message": "get it so"}


def fail(
    stage: Stage, job: str, attempt: int, update: int, message: str = "index 7 is out of range"
) -> None:
    """The driver fails at an update."""
    where = {"update": update, "episode": 1, "period": 2, "seed": 5}
    stage.finish(
        job, "failed", attempt=attempt, error={"type": "IndexError", "message": message, **where}
    )
    stage.tick()


@pytest.mark.usefixtures("at_once")
def test_failed_attempt_is_tried_again_until_the_same_error_comes_at_the_same_update(
    stage: Stage,
) -> None:
    job = stage.submit()
    for attempt, (update, message) in enumerate(
        [(30, "a"), (31, "a"), (31, "b"), (31, "b")], start=1
    ):
        stage.tick()
        fail(stage, job, attempt, update, message)
    failed = stage.job(job)
    assert (failed["state"], attempts(stage, job)) == (
        "failed",
        [(number, "failed") for number in (1, 2, 3, 4)],
    )
    assert failed["error"] == {
        "type": "IndexError",
        "message": "b",
        "update": 31,
        "episode": 1,
        "period": 2,
        "seed": 5,
    }
    assert stage.event_types(job).count("job.retry") == 3


@pytest.mark.usefixtures("at_once")
def test_the_jobs_own_bound_counts_where_it_is_lower(stage: Stage) -> None:
    answer = stage.client.post(
        "/v1/jobs", json={"kind": "meta-training", "spec": {"max_attempts": 2}}
    )
    job = str(answer.json()["id"])
    for attempt in (1, 2):
        stage.tick()
        fail(stage, job, attempt, update=attempt)
    assert (stage.state(job), attempts(stage, job)) == ("failed", [(1, "failed"), (2, "failed")])


def test_the_jobs_own_pause_is_kept(stage: Stage) -> None:
    answer = stage.client.post(
        "/v1/jobs", json={"kind": "meta-training", "spec": {"backoff_seconds": 1000}}
    )
    job = str(answer.json()["id"])
    stage.tick()
    fail(stage, job, 1, update=3)
    waits = datetime.fromisoformat(stage.job(job)["retry_at"]) - datetime.now(UTC)
    assert timedelta(seconds=900) < waits <= timedelta(seconds=1000)


@pytest.mark.parametrize(("action", "state"), [("pause", "paused"), ("cancel", "cancelled")])
def test_failure_of_an_attempt_that_was_to_stop_fulfils_the_request(
    stage: Stage, action: str, state: str
) -> None:
    job = stage.submit()
    stage.tick(2)
    stage.act(job, action)
    fail(stage, job, 1, update=3)
    assert stage.state(job) == state


def test_cancel_while_it_waits_for_a_retry(stage: Stage) -> None:
    job = stage.submit()
    stage.tick()
    lose(stage, job, 1)
    assert stage.act(job, "cancel") == "cancelled"
    assert (stage.job(job)["retry_at"], stage.event_types(job)[-1]) == (None, "job.ended")
    stage.tick(2)
    assert list(stage.executor.processes) == [f"{job}-a1"]


def test_pause_and_resume_while_it_waits_for_a_retry_start_it_at_once(stage: Stage) -> None:
    job = stage.submit()
    stage.tick()
    lose(stage, job, 1)
    assert stage.act(job, "pause") == "paused"
    stage.tick()
    assert stage.act(job, "resume") == "queued"
    stage.tick()
    assert stage.process(job, 2).argv[-1] == "2"


@pytest.mark.parametrize(("action", "state"), [("pause", "paused"), ("cancel", "cancelled")])
def test_loss_before_it_heard_of_a_request_fulfils_the_request(
    stage: Stage, action: str, state: str
) -> None:
    job = stage.submit()
    stage.tick()
    stage.act(job, action)
    lose(stage, job, 1)
    assert stage.state(job) == state
    assert "job.retry" not in stage.event_types(job)
    assert attempts(stage, job) == [(1, "lost")]


@pytest.mark.usefixtures("at_once")
def test_resumption_by_hand_begins_the_count_again(
    stage: Stage, settings: Settings, database: Database, executor: PlayedExecutor
) -> None:
    strict = settings.model_copy(update={"max_attempts": 2})
    stage.reconciler = Reconciler(strict, database, stage.registry, executor)
    job = stage.submit()
    stage.tick()
    lose(stage, job, 1)
    stage.act(job, "pause")
    stage.act(job, "resume")
    stage.tick()
    lose(stage, job, 2)
    assert stage.state(job) == "queued"


def test_cluster_that_looks_well_but_takes_no_job_is_told_everywhere(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(troubles, "LONGEST_PAUSE_SECONDS", 0.0)
    caplog.set_level(logging.WARNING)
    job = stage.submit()
    silence = "Ray does not answer: read timed out"
    stage.executor.broken[f"{job}-a1"] = ExecutorUnavailable(silence)
    stage.tick(troubles.MAX_FAULTS + 2)
    assert stage.state(job) == "starting"
    trouble_events = [
        event["data"]["message"]
        for event in stage.events(job)
        if event["type"] == "service.trouble"
    ]
    assert trouble_events == [f"ExecutorUnavailable: {silence}"]
    ready = stage.client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["executor"]) == (503, silence)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == troubles.MAX_FAULTS + 2
    assert all(job in record.getMessage() and silence in record.getMessage() for record in warnings)

    stage.executor.broken.clear()
    stage.tick(2)
    assert stage.client.get("/readyz").json()["checks"]["executor"] == "ok"
    stage.finish(job, "succeeded")
    stage.tick()
    assert stage.state(job) == "succeeded"


def test_after_one_refusal_the_other_jobs_wait_for_the_next_tick(
    stage: Stage, settings: Settings, database: Database, executor: PlayedExecutor
) -> None:
    roomy = settings.model_copy(update={"max_running_jobs": 2})
    stage.reconciler = Reconciler(roomy, database, stage.registry, executor)
    first = stage.submit()
    second = stage.submit()
    executor.broken[f"{first}-a1"] = ExecutorUnavailable("silence")
    stage.tick()
    assert executor.submissions == [f"{first}-a1"]
    stage.tick()
    assert executor.submissions == [f"{first}-a1", f"{second}-a1"]


def test_lost_and_found_executor_is_logged_once_each(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor_health, "CHECK_SECONDS", 0.0)
    caplog.set_level(logging.INFO, logger=executor_health.__name__)
    for down in (None, "connection refused", "connection refused", None):
        stage.executor.down = down
        stage.tick()
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert lines == [
        ("INFO", "the executor: ok"),
        ("WARNING", "the executor cannot be used: connection refused"),
        ("INFO", "the executor: ok"),
    ]

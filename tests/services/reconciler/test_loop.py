"""The reconciler, tick by tick: what a job lives through from the queue to its end, and all that
may go wrong."""

from __future__ import annotations

import json

import pytest

from services.database.base import Database
from services.reconciler import copier
from services.reconciler.loop import Reconciler
from services.settings import Settings
from tests.services.support import PlayedExecutor, Stage

STARTED = ("started", {"n_updates": 50, "resumed_from": None})
VERSION = {"optimizer": "hyperadam", "number": 1, "sha256": "ab" * 32}


def test_from_the_queue_to_a_version(stage: Stage, settings: Settings) -> None:
    job = stage.submit(name="the first")
    stage.tick()
    assert stage.state(job) == "starting"
    process = stage.process(job)
    run_id = stage.run_id(job)
    assert process.argv[-6:] == ["-m", "meta_trainer.driver", "--run-id", run_id, "--attempt", "1"]
    assert process.environment == {
        "HYPERADAM_TRACKING_URI": settings.tracking_uri,
        "HYPERADAM_ARTIFACT_LOCATION": settings.artifact_location,
        "HYPERADAM_DATA_DIR": settings.data_dir,
        "HYPERADAM_CACHE_DIR": settings.cache_dir,
        "HYPERADAM_RUNNER": "in-process",
    }
    order = json.loads(stage.registry.get_artifact(run_id, "job.json"))
    assert order == {
        "job_id": job,
        "kind": "meta-training",
        "name": "the first",
        "spec": stage.job(job)["spec"],
    }

    stage.drive(job, STARTED)
    stage.tick()
    assert stage.job(job)["state"] == "running"
    assert stage.job(job)["started_at"] is not None
    stage.drive(
        job, ("progress", {"update": 20, "n_updates": 50, "meta_loss": 2.0, "eta_seconds": 30.0})
    )
    stage.tick()
    assert (stage.job(job)["progress"], stage.job(job)["eta_seconds"]) == (0.4, 30.0)

    stage.drive(job, ("version", VERSION), ("finished", {}))
    process.log = b"all done\n"
    stage.finish(job, "succeeded", version=VERSION)
    stage.tick()
    done = stage.job(job)
    assert (done["state"], done["progress"], done["eta_seconds"], done["version"]) == (
        "succeeded",
        1.0,
        None,
        VERSION,
    )
    assert done["ended_at"] is not None
    of_the_driver = ["started", "progress", "version", "finished"]
    types = ["job.state", "job.state", *of_the_driver, "job.state", "job.ended"]
    assert stage.event_types(job) == types
    assert stage.client.get(f"/v1/jobs/{job}/logs").json()["text"] == "all done\n"
    attempts = stage.client.get(f"/v1/jobs/{job}/attempts").json()["items"]
    assert [(attempt["number"], attempt["state"]) for attempt in attempts] == [(1, "succeeded")]


def test_jobs_wait_for_room_and_start_in_order(stage: Stage) -> None:
    first, second, third = (stage.submit() for _ in range(3))
    stage.tick(3)
    assert [stage.job(job)["queue_position"] for job in (first, second, third)] == [None, 1, 2]
    stage.finish(first, "succeeded")
    stage.tick(2)
    assert [stage.state(job) for job in (first, second, third)] == [
        "succeeded",
        "starting",
        "queued",
    ]


def test_failure_tells_why(stage: Stage) -> None:
    job = stage.submit()
    stage.tick()
    error = {"type": "DatasetMissing", "message": "get it so", "traceback": "…"}
    stage.finish(job, "failed", error={**error, "final": True})
    stage.tick()
    assert stage.job(job)["error"] == {"type": "DatasetMissing", "message": "get it so"}
    assert stage.state(job) == "failed"


def test_wrong_status_does_not_decide_success(stage: Stage) -> None:
    job = stage.submit()
    stage.tick()
    stage.finish(job, "succeeded")
    stage.process(job).status = "failed"
    stage.tick()
    assert stage.state(job) == "succeeded"


def test_senseless_last_word_is_a_failure(stage: Stage) -> None:
    job = stage.submit()
    stage.tick()
    stage.finish(job, "splendid")
    stage.tick()
    assert stage.job(job)["error"]["type"] == "InvalidRecord"


def test_cancel_stops_then_closes(stage: Stage) -> None:
    job = stage.submit()
    stage.tick()
    stage.drive(job, STARTED)
    stage.tick()
    assert stage.act(job, "cancel") == "cancelling"
    stage.tick(2)
    assert stage.process(job).signals == ["stop"]
    stage.finish(job, "stopped")
    stage.tick()
    assert stage.state(job) == "cancelled"
    assert stage.event_types(job)[-1] == "job.ended"


def test_cancel_in_the_queue_is_at_once(stage: Stage) -> None:
    job = stage.submit()
    assert stage.act(job, "cancel") == "cancelled"
    stage.tick()
    assert stage.executor.processes == {}


def test_deaf_driver_is_killed_after_the_grace(
    stage: Stage, settings: Settings, database: Database, executor: PlayedExecutor
) -> None:
    hasty = settings.model_copy(update={"cancel_grace_seconds": 0.01})
    stage.reconciler = Reconciler(hasty, database, stage.registry, executor)
    job = stage.submit()
    stage.tick()
    stage.act(job, "cancel")
    stage.tick_until(job, "cancelled")
    assert stage.process(job).signals == ["stop", "kill"]


def test_pause_and_resume_is_a_new_attempt_of_the_same_job(stage: Stage) -> None:
    job = stage.submit()
    stage.tick()
    stage.drive(job, STARTED)
    assert stage.act(job, "pause") == "pausing"
    stage.tick()
    stage.finish(job, "stopped")
    stage.tick()
    assert stage.state(job) == "paused"
    stage.tick()
    assert f"{job}-a2" not in stage.executor.processes
    assert stage.act(job, "resume") == "queued"
    stage.tick()
    assert stage.process(job, 2).argv[-1] == "2"
    stage.drive(job, ("started", {"n_updates": 50, "resumed_from": 20}), attempt=2)
    stage.finish(job, "succeeded", attempt=2, version=VERSION)
    stage.tick()
    assert (stage.state(job), stage.job(job)["attempt"]) == ("succeeded", 2)
    assert stage.events(job)[-1]["attempt"] == 2


@pytest.mark.parametrize(("action", "expected"), [("pause", "succeeded"), ("cancel", "succeeded")])
def test_job_that_finished_before_it_heard_has_succeeded(
    stage: Stage, action: str, expected: str
) -> None:
    job = stage.submit()
    stage.tick()
    stage.act(job, action)
    stage.finish(job, "succeeded")
    stage.tick()
    assert stage.state(job) == expected


def test_impossible_actions_are_conflicts_with_the_state(stage: Stage) -> None:
    job = stage.submit()
    answer = stage.client.post(f"/v1/jobs/{job}/resume")
    assert (answer.status_code, answer.json()["state"]) == (409, "queued")
    stage.act(job, "cancel")
    for action in ("cancel", "pause", "resume"):
        answer = stage.client.post(f"/v1/jobs/{job}/{action}")
        assert (answer.status_code, answer.json()["state"]) == (409, "cancelled")
    assert stage.client.post("/v1/jobs/job_nobody/cancel").status_code == 404


def test_unasked_stop_puts_the_job_back_into_the_queue(stage: Stage) -> None:
    job = stage.submit()
    stage.tick()
    stage.finish(job, "stopped")
    stage.tick()
    assert (stage.state(job), stage.job(job)["queue_position"]) == ("queued", 1)


def test_drain_stops_everything_and_leaves_it_resumable(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = stage.submit()
    waiting = stage.submit()
    stage.tick()
    stop = stage.executor.stop

    def obey(process_id: str) -> None:
        stop(process_id)
        stage.finish(running, "stopped")

    monkeypatch.setattr(stage.executor, "stop", obey)
    stage.reconciler.drain()
    assert [stage.state(job) for job in (running, waiting)] == ["queued", "queued"]
    assert list(stage.executor.processes) == [f"{running}-a1"]
    stage.tick()
    assert stage.process(running, 2).argv[-1] == "2"


def test_driver_that_dies_while_draining_is_resumable_too(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = stage.submit()
    stage.tick()
    monkeypatch.setattr(stage.executor, "stop", stage.executor.kill)
    stage.reconciler.drain()
    assert stage.state(job) == "queued"


def test_events_are_copied_once_whoever_copies(
    stage: Stage, settings: Settings, database: Database, executor: PlayedExecutor
) -> None:
    job = stage.submit()
    stage.tick()
    stage.drive(job, STARTED, ("checkpoint", {"update": 10}))
    stage.tick(2)
    stage.reconciler.release()
    stage.reconciler = Reconciler(settings, database, stage.registry, executor)
    stage.drive(job, ("checkpoint", {"update": 20}))
    stage.tick(2)
    updates = [
        event["data"]["update"] for event in stage.events(job) if event["type"] == "checkpoint"
    ]
    assert updates == [10, 20]


def test_lines_that_are_no_events_are_left_out(stage: Stage) -> None:
    job = stage.submit()
    stage.tick()
    lines = [
        b"not json",
        b"[]",
        b'{"type": "job.ended", "time": "2026-01-01T00:00:00+00:00", "data": {}}',
        b'{"type": "service.trouble", "time": "2026-01-01T00:00:00+00:00", "data": {}}',
        b"\xff\xfe",
    ]
    stage.registry.put_artifact(stage.run_id(job), "events/0001-000000.jsonl", b"\n".join(lines))
    stage.event_files[job + "0001"] = 1
    stage.drive(
        job, ("progress", {"update": "x"}), ("cell", {"done": 1, "total": 0, "label": ""}), STARTED
    )
    stage.tick()
    assert stage.event_types(job)[1:] == ["job.state", "progress", "cell", "started"]
    assert stage.job(job)["progress"] == 0.0


def test_long_log_is_cut_with_a_note(
    stage: Stage,
    settings: Settings,
    database: Database,
    executor: PlayedExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copier, "LOG_SECONDS", 0.0)
    small = settings.model_copy(update={"max_log_bytes": 1024})
    stage.reconciler = Reconciler(small, database, stage.registry, executor)
    job = stage.submit()
    stage.tick()
    for _ in range(3):
        stage.process(job).log += b"x" * 700
        stage.tick()
    text = stage.client.get(f"/v1/jobs/{job}/logs").json()["text"]
    assert text.startswith("x" * 1024 + "\n[the log is longer")
    assert len(text) < 1200


def test_a_stop_is_heard_before_each_job(stage: Stage) -> None:
    job = stage.submit()
    stage.reconciler.tick(enough=lambda: True)
    assert not stage.executor.processes
    stage.reconciler.tick(enough=lambda: False)
    assert stage.process(job).status == "running"

"""What drivers leave: a lost file, or values that not every store holds, stop nothing."""

from __future__ import annotations

import pytest

from services.reconciler import copier
from services.reconciler.driver_json import read_driver_json
from tests.services.support import Stage

STARTED = ("started", {"n_updates": 3, "resumed_from": 0})


def start(stage: Stage) -> str:
    job = stage.submit()
    stage.tick()
    return job


def lose_file(stage: Stage, job: str, number: int) -> None:
    stage.registry.delete_artifact(stage.run_id(job), f"events/0001-{number:06d}.jsonl")


def test_a_lost_file_does_not_end_the_copying(stage: Stage) -> None:
    job = start(stage)
    for update in range(5):
        stage.drive(job, ("checkpoint", {"update": update}))
    lose_file(stage, job, 1)
    lose_file(stage, job, 2)
    stage.finish(job, "succeeded")
    stage.tick_until(job, "succeeded")

    events = stage.events(job)
    updates = [event["data"]["update"] for event in events if event["type"] == "checkpoint"]
    assert updates == [0, 3, 4]
    [lost] = [event for event in events if event["type"] == "service.events_lost"]
    assert lost["data"] == {"first_file": 1, "n_files": 2}
    assert lost["id"] < events[-1]["id"]


def test_a_running_job_goes_on_after_a_gap(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    job = start(stage)
    for update in range(3):
        stage.drive(job, ("checkpoint", {"update": update}))
    lose_file(stage, job, 1)
    stage.tick(2)
    assert "service.events_lost" not in stage.event_types(job)

    monkeypatch.setattr(copier, "GAP_SECONDS", 0.0)
    stage.tick(3)
    assert stage.event_types(job).count("service.events_lost") == 1
    assert stage.event_types(job)[-1] == "checkpoint"


@pytest.mark.parametrize("text", ["Infinity", "-Infinity", "NaN", "1e999", "1" + "0" * 400])
def test_numbers_that_no_store_holds_are_null(stage: Stage, text: str) -> None:
    job = start(stage)
    line = f'{{"type": "x", "time": "2026-01-01T00:00:00Z", "data": {{"loss": {text}}}}}'
    stage.registry.put_artifact(stage.run_id(job), "events/0001-000000.jsonl", line.encode())
    stage.event_files[f"{job}-a1"] = 1
    stage.tick()
    assert stage.events(job)[-1]["data"] == {"loss": None}


def test_half_a_surrogate_pair_and_a_zero_are_readable(stage: Stage) -> None:
    job = start(stage)
    stage.drive(job, ("note", {"text": "a\udc80\x00"}))
    stage.finish(job, "failed", error={"type": "E", "message": "no file \udcff", "final": True})
    stage.tick_until(job, "failed")
    assert stage.events(job)[-3]["data"] == {"text": "a?\x00"}
    assert stage.job(job)["error"]["message"] == "no file ?"


def test_a_damaged_last_word_is_a_failure(stage: Stage) -> None:
    job = start(stage)
    stage.finish(job, "succeeded")
    path = "attempts/0001/done.json"
    whole = stage.registry.get_artifact(stage.run_id(job), path)
    stage.registry.put_artifact(stage.run_id(job), path, whole[:-5])
    stage.tick_until(job, "failed")
    assert stage.job(job)["error"]["type"] == "InvalidRecord"


def test_what_is_too_deep_is_no_json() -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        read_driver_json(b"[" * 100_000 + b"]" * 100_000)

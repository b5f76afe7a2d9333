"""`continue_from`: refused with the field to blame, pinned to a checkpoint, carried out, told by
the lineage."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from meta_trainer.driver.attempt import run_attempt
from meta_trainer.driver.settings import DriverSettings
from tests.meta_trainer.conftest import TINY
from tests.services.support import Stage

DRIVER = DriverSettings(tracking_uri="memory://", runner="in-process")
SPEC = {**TINY, "n_episodes": 2}


def carry_out(stage: Stage, job: str) -> None:
    """A real attempt of a job in the queue."""
    stage.tick_until(job, "starting")
    stage.tick()
    assert run_attempt(stage.registry, stage.run_id(job), 1, DRIVER)
    stage.process(job).status = "succeeded"
    stage.tick_until(job, "succeeded")


@pytest.fixture
def ended(stage: Stage) -> str:
    """A job of two episodes, four updates, that succeeded."""
    job = stage.submit(spec=SPEC)
    carry_out(stage, job)
    return job


def errors(client: TestClient, **spec: Any) -> dict[str, str]:
    """Field → message of a submission that is refused."""
    answer = client.post(
        "/v1/jobs", json={"kind": "meta-training", "spec": {**SPEC, "n_episodes": 4, **spec}}
    )
    assert answer.status_code == 422, answer.text
    return {error["field"]: error["message"] for error in answer.json()["errors"]}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_clone_goes_on_with_more_episodes_and_says_so(stage: Stage, ended: str) -> None:
    changes = {"spec": {"continue_from": {"job": ended}, "n_episodes": 3}}
    answer = stage.client.post(f"/v1/jobs/{ended}/clone", json=changes)
    assert answer.status_code == 201, answer.text
    job = answer.json()
    assert job["spec"]["continue_from"] == {"job": ended, "checkpoint": 4}
    carry_out(stage, job["id"])
    starts = [
        event["data"]
        for event in stage.events(job["id"])
        if event["type"] in ("started", "continued")
    ]
    assert starts == [{"job": ended, "update": 4}, {"n_updates": 6, "resumed_from": 4}]
    version = stage.client.get("/v1/optimizers/hyperadam/versions/latest").json()
    assert (version["number"], version["job_id"]) == (2, job["id"])
    assert version["lineage"]["continued_from"] == {"job_id": ended, "update": 4}
    first = stage.client.get("/v1/optimizers/hyperadam/versions/1").json()
    assert first["lineage"]["continued_from"] is None
    compared = stage.client.get("/v1/optimizers/hyperadam/versions/1/compare?to=hyperadam@2").json()
    assert {"field": "continued_from.job", "left": None, "right": ended} in compared["lineage"]
    assert {"field": "n_episodes", "left": 2, "right": 3} in compared["spec"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_cannot_be_continued_is_refused_by_field(stage: Stage, ended: str) -> None:
    def refused(**spec: Any) -> dict[str, str]:
        return errors(stage.client, **spec)

    waiting = stage.submit(spec=SPEC)
    evaluation = stage.submit("evaluation", spec={"optimizers": ["hyperadam@1"]})
    place = "spec.continue_from.job"
    which = "spec.continue_from.checkpoint"
    assert refused(continue_from={"job": "job_nobody"}) == {place: "there is no job 'job_nobody'"}
    assert "it is queued" in refused(continue_from={"job": waiting})[place]
    assert "it is of kind 'evaluation'" in refused(continue_from={"job": evaluation})[place]
    stage.act(waiting, "cancel")
    assert "it never began" in refused(continue_from={"job": waiting})[place]
    assert refused(continue_from={"job": ended, "checkpoint": 77})[which].endswith(
        "of updates 2, 3, 4, not 77"
    )
    assert (
        "rule.n_candidates 3"
        in refused(continue_from={"job": ended}, rule={"n_candidates": 4})[place]
    )
    assert (
        "must be more than 2"
        in refused(continue_from={"job": ended}, n_episodes=2)["spec.n_episodes"]
    )
    assert "spec.continue_from" in refused(continue_from={"job": ended}, parent="hyperadam@1")
    assert place in refused(continue_from={"job": "../../etc"})
    assert which in next(iter(refused(continue_from={"job": ended, "checkpoint": "worst"})))
    run_id = stage.run_id(ended)
    for folder in ("checkpoints", "best"):
        for info in stage.registry.list_artifacts(run_id, folder):
            stage.registry.delete_artifact(run_id, info.path)
    assert refused(continue_from={"job": ended})[which].endswith("has no checkpoint, not 'newest'")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_best_checkpoint_and_one_by_number_are_pinned(stage: Stage, ended: str) -> None:
    best = stage.client.get(f"/v1/jobs/{ended}/result").json()["best_update"]
    assert best
    for wanted, update in (("best", best), ("newest", 4), (3, 3)):
        spec = {**SPEC, "n_episodes": 4, "continue_from": {"job": ended, "checkpoint": wanted}}
        job = stage.client.post("/v1/jobs", json={"kind": "meta-training", "spec": spec}).json()
        assert job["spec"]["continue_from"]["checkpoint"] == update


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_job_whose_original_is_deleted_before_it_begins_fails_and_says_why(
    stage: Stage, ended: str
) -> None:
    job = stage.submit(spec={**SPEC, "n_episodes": 4, "continue_from": {"job": ended}})
    assert stage.client.delete(f"/v1/jobs/{ended}").status_code == 204
    stage.tick_until(job, "starting")
    stage.tick()
    assert not run_attempt(stage.registry, stage.run_id(job), 1, DRIVER)
    stage.process(job).status = "failed"
    stage.tick_until(job, "failed")
    assert "was deleted before this job began" in stage.job(job)["error"]["message"]

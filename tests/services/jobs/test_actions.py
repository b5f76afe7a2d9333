"""Retry, clone, edit, delete, deadline: what each does, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import call, patch

import pytest
from sqlalchemy import func, select

from registry import RunNotFound
from services.container import Container
from services.database.base import Base, Database
from services.idempotency.tables import UsedKey
from services.jobs.merge_patch import apply_merge_patch
from services.jobs.tables import Job
from tests.registry.thetas import make_theta
from tests.services.support import Stage


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def fields(answer: Any) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["field"] for error in answer.json()["errors"]]


def overdue(database: Database, job_id: str) -> None:
    """Let the job's deadline lie in the past."""
    with database.write() as session:
        session.scalars(select(Job).where(Job.id == job_id)).one().deadline = datetime.now(
            UTC
        ) - timedelta(seconds=1)


def ended(stage: Stage, outcome: str = "failed") -> str:
    job = stage.submit()
    stage.tick()
    error = (
        {"type": "ValueError", "message": "it went wrong", "final": True}
        if outcome == "failed"
        else None
    )
    stage.finish(job, outcome, error=error)
    stage.tick()
    return job


# --- retry ------------------------------------------------------------------------------------------------------------


def test_a_failed_job_goes_on_as_a_new_attempt(stage: Stage) -> None:
    job = ended(stage)
    assert stage.job(job)["error"]["type"] == "ValueError"
    assert stage.act(job, "retry") == "queued"
    again = stage.job(job)
    assert (again["error"], again["ended_at"], again["attempt"]) == (None, None, 1)
    with patch.object(stage.registry, "close_run", wraps=stage.registry.close_run) as close_run:
        stage.tick()
    assert close_run.call_args_list == [call(stage.run_id(job), "running")]
    assert stage.process(job, 2).argv[-2:] == ["--attempt", "2"]
    stage.finish(job, "succeeded", attempt=2)
    stage.tick()
    assert stage.state(job) == "succeeded"
    attempts = stage.client.get(f"/v1/jobs/{job}/attempts").json()["items"]
    assert [(attempt["number"], attempt["state"]) for attempt in attempts] == [
        (1, "failed"),
        (2, "succeeded"),
    ]
    assert stage.event_types(job).count("job.ended") == 2


def test_a_cancelled_job_can_be_retried_and_a_succeeded_one_cannot(stage: Stage) -> None:
    job = stage.submit()
    stage.act(job, "cancel")
    assert stage.act(job, "retry") == "queued"
    stage.act(job, "cancel")
    refused = stage.client.post(f"/v1/jobs/{ended(stage, 'succeeded')}/retry")
    assert (refused.status_code, refused.json()["state"]) == (409, "succeeded")


def test_a_retry_past_the_deadline_asks_for_another(stage: Stage, database: Database) -> None:
    job = ended(stage)
    overdue(database, job)
    refused = stage.client.post(f"/v1/jobs/{job}/retry")
    assert (refused.status_code, refused.json()["state"]) == (409, "failed")
    assert stage.state(job) == "failed"
    assert stage.client.patch(f"/v1/jobs/{job}", json={"deadline": None}).status_code == 200
    assert stage.act(job, "retry") == "queued"


# --- deadline ---------------------------------------------------------------------------------------------------------


def test_a_job_that_runs_past_its_deadline_is_stopped_and_fails(
    stage: Stage, database: Database
) -> None:
    job = stage.submit(deadline=in_seconds(3600))
    stage.tick()
    stage.drive(job, ("started", {}))
    stage.tick()
    overdue(database, job)
    stage.tick(2)
    assert stage.state(job) == "expiring"
    assert stage.process(job).signals == ["stop"]
    stage.finish(job, "stopped")
    stage.tick()
    assert stage.state(job) == "failed"
    assert stage.job(job)["error"]["type"] == "DeadlineExceeded"


def test_a_job_that_is_stopped_by_its_deadline_can_still_be_cancelled(
    stage: Stage, database: Database
) -> None:
    job = stage.submit()
    stage.tick()
    overdue(database, job)
    stage.tick()
    assert stage.state(job) == "expiring"
    assert stage.act(job, "cancel") == "cancelling"
    stage.finish(job, "stopped")
    stage.tick()
    assert stage.state(job) == "cancelled"
    assert stage.job(job)["error"] is None


def test_a_job_that_waits_past_its_deadline_never_starts(stage: Stage, database: Database) -> None:
    waiting, paused = stage.submit(), stage.submit()
    stage.act(paused, "pause")
    for job in (waiting, paused):
        overdue(database, job)
    stage.tick()
    assert [stage.job(job)["error"]["type"] for job in (waiting, paused)] == [
        "DeadlineExceeded"
    ] * 2
    assert stage.executor.processes == {}


def test_a_job_that_succeeds_in_time_to_be_heard_has_succeeded(
    stage: Stage, database: Database
) -> None:
    job = stage.submit()
    stage.tick()
    overdue(database, job)
    stage.finish(job, "succeeded")
    stage.tick()
    assert stage.state(job) == "succeeded"


@pytest.mark.parametrize(
    "deadline",
    [
        "2020-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:00",
        "2100-01-01T00:00:00Z",
        "soon",
        pytest.param(in_seconds(60)[:-6], id="without a zone"),
    ],
)
def test_senseless_deadlines_are_refused(stage: Stage, deadline: str) -> None:
    body = {"kind": "meta-training", "spec": {"preset": "quick"}, "deadline": deadline}
    assert fields(stage.client.post("/v1/jobs", json=body)) == ["deadline"]
    assert fields(
        stage.client.patch(f"/v1/jobs/{stage.submit()}", json={"deadline": deadline})
    ) == ["deadline"]


# --- clone ------------------------------------------------------------------------------------------------------------


def test_a_clone_is_the_original_but_for_the_patch(stage: Stage) -> None:
    original = stage.submit(
        name="first", labels={"team": "a"}, priority=3, deadline=in_seconds(3600)
    )
    patch = {"spec": {"seed": 7, "unroll": {"horizon": 40, "lr": None}}, "name": "second"}
    answer = stage.client.post(f"/v1/jobs/{original}/clone", json=patch)
    assert answer.status_code == 201
    first, second = stage.job(original), answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{second['id']}"
    assert (second["cloned_from"], second["state"], second["name"]) == (
        original,
        "queued",
        "second",
    )
    assert (second["labels"], second["priority"], second["deadline"]) == ({"team": "a"}, 3, None)
    rate = {**first["spec"]["unroll"]["rate"], "lr": 0.005}
    unroll = {**first["spec"]["unroll"], "horizon": 40, "rate": rate}
    assert second["spec"] == {**first["spec"], "seed": 7, "unroll": unroll}


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"spec": {"unroll": {"horizon": 0}}}, "spec.unroll.horizon"),
        ({"spec": {"preset": "paper"}}, "spec.preset"),
        ({"spec": {"colour": 1}}, "spec.colour"),
        ({"kind": "evaluation"}, "kind"),
        ({"priority": 101}, "priority"),
    ],
)
def test_a_clone_is_checked_like_any_job(stage: Stage, patch: dict[str, Any], field: str) -> None:
    assert fields(stage.client.post(f"/v1/jobs/{stage.submit()}/clone", json=patch)) == [field]


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [  # the examples of RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_are_those_of_the_standard(target: Any, patch: Any, expected: Any) -> None:
    assert apply_merge_patch(target, patch) == expected


# --- edit -------------------------------------------------------------------------------------------------------------


def test_an_edit_changes_what_it_names(stage: Stage) -> None:
    job = stage.submit(name="first", labels={"team": "a", "run": "1"})
    path = f"/v1/jobs/{job}"
    edited = stage.client.patch(
        path, json={"labels": {"team": None, "phase": "two"}, "priority": -4}
    ).json()
    assert (edited["name"], edited["labels"], edited["priority"]) == (
        "first",
        {"run": "1", "phase": "two"},
        -4,
    )
    assert stage.client.patch(path, json={"name": None}).json()["name"] is None
    assert stage.job(job)["labels"] == {"run": "1", "phase": "two"}
    many = {f"label{number}": "x" for number in range(31)}
    assert fields(stage.client.patch(path, json={"labels": many})) == ["labels"]
    assert fields(stage.client.patch(path, json={"state": "succeeded"})) == ["state"]


# --- delete -----------------------------------------------------------------------------------------------------------


def test_a_deleted_job_is_gone_with_all_that_it_left(stage: Stage, database: Database) -> None:
    job = stage.submit()
    stage.tick()
    stage.drive(job, ("started", {}))
    stage.process(job).log = b"words"
    run_id = stage.run_id(job)
    made = stage.registry.create_version("adamine", make_theta(), key=job, run_id=run_id)
    stage.registry.put_artifact(run_id, "checkpoints/00000001.safetensors", b"1")
    refused = stage.client.delete(f"/v1/jobs/{job}")
    assert (refused.status_code, refused.json()["state"]) == (409, "starting")
    stage.finish(job, "succeeded")
    stage.tick()
    assert stage.client.delete(f"/v1/jobs/{job}").status_code == 204
    assert stage.client.get(f"/v1/jobs/{job}").status_code == 404
    assert stage.client.delete(f"/v1/jobs/{job}").status_code == 404
    assert stage.registry.weights("adamine", made.number) == make_theta().to_bytes()
    assert [file.path for file in stage.registry.list_artifacts(run_id)] == [
        f"theta/{made.sha256}.safetensors"
    ]
    with database.read() as session:
        for table in ("jobs", "attempts", "events", "log_chunks"):
            assert (
                session.scalar(select(func.count()).select_from(Base.metadata.tables[table])) == 0
            )
    stage.tick()


def test_deletion_that_broke_off_can_be_repeated(stage: Stage) -> None:
    job = ended(stage)
    run_id = stage.run_id(job)
    stage.registry.delete_run(run_id)
    assert stage.client.delete(f"/v1/jobs/{job}").status_code == 204
    with pytest.raises(RunNotFound):
        stage.registry.list_artifacts(run_id)


def test_a_submitter_deletes_its_own_jobs_only(stage: Stage, services: Container) -> None:
    job = stage.submit()
    stage.act(job, "cancel")
    key = services.api_keys.create("other", ["submit"]).key
    other = {"Authorization": f"Bearer {key}"}
    assert stage.client.delete(f"/v1/jobs/{job}", headers=other).status_code == 403
    clone = stage.client.post(f"/v1/jobs/{job}/clone", json={}, headers=other).json()["id"]
    stage.act(clone, "cancel")
    assert stage.client.delete(f"/v1/jobs/{clone}", headers=other).status_code == 204
    assert stage.client.delete(f"/v1/jobs/{job}").status_code == 204


# --- every POST is done once ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["pause", "cancel", "clone", "retry", "resume"])
def test_a_repeated_action_is_done_once(stage: Stage, action: str) -> None:
    job = stage.submit()
    if action in ("retry", "resume"):
        stage.act(job, {"retry": "cancel", "resume": "pause"}[action])
    path, body, headers = (
        f"/v1/jobs/{job}/{action}",
        {} if action == "clone" else None,
        {"Idempotency-Key": "once"},
    )
    first = stage.client.post(path, json=body, headers=headers)
    assert first.status_code == (201 if action == "clone" else 202)
    n_events = len(stage.events(job))
    if action == "retry":
        stage.act(
            job, "cancel"
        )  # so that the repeat would be possible, and must do nothing all the same
        n_events += 2
    again = stage.client.post(path, json=body, headers=headers)
    assert again.status_code == 200
    assert again.json()["id"] == first.json()["id"]
    assert len(stage.events(job)) == n_events
    elsewhere = stage.client.post(f"/v1/jobs/{stage.submit()}/{action}", json=body, headers=headers)
    assert elsewhere.json()["type"] == "/problems/idempotency-mismatch"


def test_a_refused_request_leaves_its_key_free(stage: Stage, database: Database) -> None:
    job, headers = stage.submit(), {"Idempotency-Key": "again"}
    assert stage.client.post(f"/v1/jobs/{job}/resume", headers=headers).status_code == 409
    with database.read() as session:
        assert session.scalars(select(UsedKey)).all() == []
    stage.act(job, "pause")
    assert stage.client.post(f"/v1/jobs/{job}/resume", headers=headers).status_code == 202


def test_a_repeat_does_not_bring_a_deleted_job_back(stage: Stage) -> None:
    body, headers = (
        {"kind": "meta-training", "spec": {"preset": "quick"}},
        {"Idempotency-Key": "first"},
    )
    job = stage.client.post("/v1/jobs", json=body, headers=headers).json()["id"]
    stage.act(job, "cancel")
    stage.client.delete(f"/v1/jobs/{job}")
    assert stage.client.post("/v1/jobs", json=body, headers=headers).status_code == 404
    assert stage.client.get("/v1/jobs").json()["items"] == []

"""Edit and delete, and that every POST is done once: what each does, and what it refuses."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from registry import RunNotFound
from services.container import Container
from services.database.base import Base, Database
from services.idempotency.tables import UsedKey
from tests.registry.thetas import make_theta
from tests.services.jobs.helpers import ended, fields
from tests.services.support import Stage


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


def test_a_deleted_job_is_gone_with_all_that_it_left(stage: Stage, database: Database) -> None:
    job = stage.submit()
    stage.tick()
    stage.drive(job, ("started", {}))
    stage.process(job).log = b"words"
    run_id = stage.run_id(job)
    version = stage.registry.create_version("adamine", make_theta(), key=job, run_id=run_id)
    stage.registry.put_artifact(run_id, "checkpoints/00000001.safetensors", b"1")
    refused = stage.client.delete(f"/v1/jobs/{job}")
    assert (refused.status_code, refused.json()["state"]) == (409, "starting")
    stage.finish(job, "succeeded")
    stage.tick()
    assert stage.client.delete(f"/v1/jobs/{job}").status_code == 204
    assert stage.client.get(f"/v1/jobs/{job}").status_code == 404
    assert stage.client.delete(f"/v1/jobs/{job}").status_code == 404
    assert stage.registry.weights("adamine", version.number) == make_theta().to_bytes()
    assert [file.path for file in stage.registry.list_artifacts(run_id)] == [
        f"theta/{version.sha256}.safetensors"
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


@pytest.mark.parametrize("action", ["pause", "cancel", "clone", "retry", "resume"])
def test_a_repeated_action_is_done_once(stage: Stage, action: str) -> None:
    job = stage.submit()
    if action in ("retry", "resume"):
        stage.act(job, {"retry": "cancel", "resume": "pause"}[action])
    path = f"/v1/jobs/{job}/{action}"
    body = {} if action == "clone" else None
    headers = {"Idempotency-Key": "once"}
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
    job = stage.submit()
    headers = {"Idempotency-Key": "again"}
    assert stage.client.post(f"/v1/jobs/{job}/resume", headers=headers).status_code == 409
    with database.read() as session:
        assert session.scalars(select(UsedKey)).all() == []
    stage.act(job, "pause")
    assert stage.client.post(f"/v1/jobs/{job}/resume", headers=headers).status_code == 202


def test_a_repeat_does_not_bring_a_deleted_job_back(stage: Stage) -> None:
    body = {"kind": "meta-training", "spec": {"preset": "quick"}}
    headers = {"Idempotency-Key": "first"}
    job = stage.client.post("/v1/jobs", json=body, headers=headers).json()["id"]
    stage.act(job, "cancel")
    stage.client.delete(f"/v1/jobs/{job}")
    assert stage.client.post("/v1/jobs", json=body, headers=headers).status_code == 404
    assert stage.client.get("/v1/jobs").json()["items"] == []

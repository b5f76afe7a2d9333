"""Quotas: what is refused, what waits and says so, and what is told of use."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.container import Container
from services.database.base import Database
from services.jobs.tables import Job
from services.reconciler.loop import Reconciler
from services.settings import Settings
from tests.services.projects.conftest import Team
from tests.services.support import PlayedExecutor, Stage, list_error_fields


def limit(client: TestClient, project: str, **quotas: int | None) -> Any:
    answer = client.patch(f"/v1/projects/{project}", json={"quotas": quotas})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def wide(
    stage: Stage,
    settings: Settings,
    database: Database,
    executor: PlayedExecutor,
) -> Stage:
    """With room for many jobs at a time."""
    many = settings.model_copy(update={"max_running_jobs": 9})
    stage.reconciler = Reconciler(many, database, stage.registry, executor)
    return stage


def test_quotas_are_changed_one_by_one(client: TestClient, red: Team) -> None:
    assert limit(client, "red", max_queued_jobs=3)["quotas"]["max_queued_jobs"] == 3
    quotas = limit(client, "red", max_cores=2)["quotas"]
    assert (quotas["max_queued_jobs"], quotas["max_cores"]) == (3, 2)
    assert limit(client, "red", max_queued_jobs=None)["quotas"]["max_queued_jobs"] is None
    wrong = client.patch("/v1/projects/red", json={"quotas": {"max_cores": -1}})
    assert list_error_fields(wrong) == ["quotas.max_cores"]


def test_no_more_jobs_wait_than_may(client: TestClient, red: Team, blue: Team) -> None:
    limit(client, "red", max_queued_jobs=1)
    first = red.submit().json()["id"]
    refused = red.submit()
    assert refused.status_code == 403
    document = refused.json()
    assert document["type"] == "/problems/quota-exceeded"
    assert (document["quota"], document["limit"], document["amount"]) == ("max_queued_jobs", 1, 1)
    assert blue.submit().status_code == 201
    assert red.ask("POST", f"/v1/jobs/{first}/pause").status_code == 202
    second = red.submit()
    assert second.status_code == 201
    assert red.ask("POST", f"/v1/jobs/{first}/resume").status_code == 403
    use = red.ask("GET", "/v1/projects/red").json()["use"]
    assert (use["queued_jobs"], use["running_jobs"]) == (1, 0)


def test_no_more_jobs_run_than_may_and_others_say_why(
    client: TestClient, red: Team, blue: Team, wide: Stage
) -> None:
    limit(client, "red", max_running_jobs=1)
    jobs = [red.submit().json()["id"] for _ in range(2)]
    theirs = blue.submit().json()["id"]
    wide.tick(2)
    assert [wide.state(job) for job in (*jobs, theirs)] == ["starting", "queued", "starting"]
    waiting = red.ask("GET", f"/v1/jobs/{jobs[1]}").json()["waiting_reason"]
    assert waiting == "the project 'red' has 1 running jobs, and may have no more"
    limit(client, "red", max_running_jobs=2)
    wide.tick(2)
    assert wide.state(jobs[1]) == "starting"


def test_cores_are_counted(client: TestClient, red: Team, wide: Stage, database: Database) -> None:
    limit(client, "red", max_cores=3)
    study = red.submit("study", preset="rates", resources={"cpus": 1, "workers": 3})
    assert (study.status_code, study.json()["quota"]) == (403, "max_cores")
    jobs = [red.submit().json()["id"] for _ in range(3)]
    with database.write() as session:
        for row in session.query(Job).filter(Job.id.in_(jobs)):
            row.n_cores = 2
    wide.tick(2)
    assert [wide.state(job) for job in jobs] == ["starting", "queued", "queued"]
    assert red.ask("GET", "/v1/projects/red").json()["use"]["cores"] == 2
    environment = wide.process(jobs[0]).environment
    assert environment["HYPERADAM_MAX_WORKERS"] == "2"


def test_storage_is_measured_and_refused(
    client: TestClient, red: Team, wide: Stage, services: Container
) -> None:
    job = red.submit().json()["id"]
    wide.tick(2)
    wide.registry.put_artifact(wide.run_id(job), "checkpoints/1.safetensors", b"x" * 5000)
    wide.finish(job, "succeeded")
    wide.tick(2)
    assert red.upload("mine").status_code == 201
    size = red.ask("GET", "/v1/optimizers/mine/versions/1").json()["size_bytes"]
    used = red.ask("GET", "/v1/projects/red").json()["use"]["storage_bytes"]
    assert used > 5000 + size
    limit(client, "red", max_storage_bytes=used)
    assert red.submit().json()["quota"] == "max_storage_bytes"
    assert red.upload("mine", seed=2).json()["quota"] == "max_storage_bytes"
    assert client.delete("/v1/optimizers/mine/versions/1").status_code == 204
    assert red.submit().status_code == 201


def test_an_archived_projects_queue_stands_still(
    client: TestClient, red: Team, wide: Stage
) -> None:
    job = red.submit().json()["id"]
    client.patch("/v1/projects/red", json={"archived": True})
    wide.tick(2)
    assert wide.job(job)["waiting_reason"] == "the project 'red' is archived"
    client.patch("/v1/projects/red", json={"archived": False})
    wide.tick(2)
    assert wide.state(job) == "starting"

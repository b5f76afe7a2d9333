"""Request ids, and what Prometheus is told of requests and jobs."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from services.container import Container
from services.database.base import Base, now
from services.jobs.lifecycle import State
from services.jobs.tables import Attempt, Event, Job
from services.reconciler.lease import LeaseHolder
from tests.services.projects.conftest import make_team
from tests.services.support import ON_ANY_DATABASE

QUICK = {"kind": "meta-training", "spec": {"preset": "quick"}}


def figures(client: TestClient, name: str) -> dict[tuple[str, ...], float]:
    """Label values → value, of one metric."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    values: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            if sample.name == name:
                values[tuple(sample.labels.values())] = sample.value
    return values


@ON_ANY_DATABASE
def test_a_sane_id_of_the_client_is_kept(client: TestClient) -> None:
    for request_id in ("a", "req-1:2.3_4", "x" * 128):
        answer = client.get("/livez", headers={"X-Request-Id": request_id})
        assert answer.headers["X-Request-Id"] == request_id


@ON_ANY_DATABASE
@pytest.mark.parametrize("request_id", ["", "x" * 129, "a b", "a;b", "-a", "<script>", "é"])
def test_another_one_is_replaced(client: TestClient, request_id: str) -> None:
    answer = client.get("/livez", headers={"X-Request-Id": request_id.encode()})
    assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["X-Request-Id"])


@ON_ANY_DATABASE
def test_ids_differ(client: TestClient) -> None:
    assert len({client.get("/livez").headers["X-Request-Id"] for _ in range(10)}) == 10


def test_requests_are_counted_by_template(client: TestClient) -> None:
    for job in ("a", "b", "c"):
        client.get(f"/v1/jobs/{job}")
    client.get("/nowhere/at/all")
    client.get("/nowhere/else")
    client.request("BREW", "/v1/jobs")
    counted = figures(client, "hyperadam_http_requests_total")
    assert counted["GET", "/v1/jobs/{job_id}", "404"] == 3
    assert counted["GET", "unmatched", "404"] == 2
    assert counted["other", "/v1/jobs", "405"] == 1
    assert not any("nowhere" in label or "BREW" in label for labels in counted for label in labels)


def test_latency_is_measured(client: TestClient) -> None:
    client.get("/v1/jobs")
    counts = figures(client, "hyperadam_http_request_duration_seconds_count")
    assert counts["GET", "/v1/jobs"] == 1
    sums = figures(client, "hyperadam_http_request_duration_seconds_sum")
    assert 0 < sums["GET", "/v1/jobs"] < 10
    assert figures(client, "hyperadam_http_requests_in_progress")[()] == 1


def test_jobs_by_state(client: TestClient, services: Container) -> None:
    assert figures(client, "hyperadam_jobs") == dict.fromkeys(figures(client, "hyperadam_jobs"), 0)
    assert set(figures(client, "hyperadam_jobs")) == {(state.value,) for state in State}
    assert figures(client, "hyperadam_queue_oldest_wait_seconds")[()] == 0
    ids = [client.post("/v1/jobs", json=QUICK).json()["id"] for _ in range(3)]
    with services.database.write() as session:
        session.execute(
            update(Job).where(Job.id == ids[0]).values(created_at=now() - timedelta(seconds=100))
        )
        session.execute(update(Job).where(Job.id == ids[2]).values(state="failed"))
    counted = figures(client, "hyperadam_jobs")
    assert (counted["queued",], counted["failed",], counted["running",]) == (2, 1, 0)
    assert 100 <= figures(client, "hyperadam_queue_oldest_wait_seconds")[()] < 160
    assert figures(client, "hyperadam_job_progress_ratio") == {}


def test_active_jobs_one_by_one(client: TestClient, services: Container) -> None:
    job_id = client.post("/v1/jobs", json=QUICK).json()["id"]
    with services.database.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(state="running", progress=0.25))
        for number, loss in ((1001, 2.0), (1002, 1.5)):
            data = {
                "update": number,
                "n_updates": 2000,
                "meta_loss": loss,
                "eta_seconds": 1.0,
                "period_seconds": 0.25,
                "learner_steps_per_second": 640.0,
                "n_workers": 2,
            }
            session.add(
                Event(job_id=job_id, id=number, type="progress", time=now(), attempt=1, data=data)
            )
    assert figures(client, "hyperadam_job_progress_ratio") == {(job_id, "default"): 0.25}
    assert figures(client, "hyperadam_jobs_without_workers") == {(): 0}
    expected = {
        "meta_loss": 1.5,
        "period_seconds": 0.25,
        "learner_steps_per_second": 640.0,
        "workers": 2.0,
    }
    for name, value in expected.items():
        assert figures(client, f"hyperadam_job_{name}") == {(job_id, "default"): value}


def test_single_jobs_are_for_whoever_sees_them(client: TestClient, services: Container) -> None:
    red = make_team(client, services, "red", "read")
    blue = make_team(client, services, "blue")
    job_id = blue.submit().json()["id"]
    data = {"update": 1, "n_updates": 9, "meta_loss": 0.5, "eta_seconds": 1.0, "n_workers": 0}
    with services.database.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(state="running"))
        session.add(
            Event(job_id=job_id, id=1001, type="progress", time=now(), attempt=1, data=data)
        )
    seen = blue.ask("GET", "/metrics").text
    assert f'hyperadam_job_meta_loss{{job="{job_id}",project="blue"}} 0.5' in seen
    confined = client.get("/metrics", headers={"HyperAdam-Project": "red"}).text
    nobody = TestClient(client.app).get("/metrics")
    for text in (red.ask("GET", "/metrics").text, nobody.text, confined):
        assert "hyperadam_jobs_without_workers 1.0" in text
        assert job_id not in text
        assert "blue" not in text
    assert nobody.status_code == 200
    wrong = TestClient(client.app).get("/metrics", headers={"Authorization": "Bearer ha_no_key"})
    assert wrong.status_code == 401


def test_waits_in_the_queue(client: TestClient, services: Container) -> None:
    assert figures(client, "hyperadam_queue_wait_seconds") == {}
    ids = [client.post("/v1/jobs", json=QUICK).json()["id"] for _ in range(11)]
    moment = now()
    with services.database.write() as session:
        session.execute(update(Job).values(created_at=moment))
        for seconds, job_id in enumerate(ids):
            # only the first attempt ended a wait in the queue since the submission
            for number in (1, 2):
                started_at = moment + timedelta(seconds=seconds * number)
                session.add(
                    Attempt(job_id=job_id, number=number, state="lost", created_at=started_at)
                )
    assert figures(client, "hyperadam_queue_wait_seconds") == {
        ("0.5",): 5.0,
        ("0.9",): 9.0,
        ("1",): 10.0,
    }


def test_the_reconciler_and_its_executor(client: TestClient, services: Container) -> None:
    def up() -> tuple[float, float]:
        reconciler = figures(client, "hyperadam_reconciler_up")
        executor = figures(client, "hyperadam_executor_up")
        return reconciler[()], executor[()]

    assert up() == (0, 0)
    holder = LeaseHolder(services.database, seconds=60)
    holder.acquire("Ray does not answer")
    assert up() == (1, 0)
    holder.acquire("ok")
    assert up() == (1, 1)


def test_without_a_database_the_rest_is_still_told(client: TestClient, services: Container) -> None:
    assert figures(client, "hyperadam_database_up")[()] == 1
    Base.metadata.drop_all(services.database.engine)
    assert figures(client, "hyperadam_database_up")[()] == 0
    assert figures(client, "hyperadam_jobs") == {}
    assert figures(client, "hyperadam_http_requests_in_progress")[()] == 1

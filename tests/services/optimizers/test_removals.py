"""Versions are archived, restored and deleted by admins, while nothing needs them."""

from __future__ import annotations

from fastapi.testclient import TestClient

from services.container import Container
from services.optimizers import removals

HYPER = "/v1/optimizers/hyper"


def list_numbers(client: TestClient, query: str = "") -> list[int]:
    items = client.get(f"{HYPER}/versions{query}").json()["items"]
    return [item["number"] for item in items]


def test_an_archived_version_is_listed_where_it_is_asked_for(client: TestClient) -> None:
    answer = client.post(f"{HYPER}/versions/3/archive", json={"reason": "diverges"})
    assert (answer.status_code, answer.json()["archived"]) == (200, True)
    assert list_numbers(client) == [2, 1]
    assert list_numbers(client, "?archived=true") == [3, 2, 1]
    assert client.get(f"{HYPER}/versions/latest").json()["number"] == 2
    assert client.get(f"{HYPER}/versions/3/weights").status_code == 200
    assert client.post(f"{HYPER}/versions/3/restore", json={}).json()["archived"] is False
    assert list_numbers(client) == [3, 2, 1]


def test_a_deleted_version_leaves_its_history(client: TestClient) -> None:
    sha256 = client.get(f"{HYPER}/versions/3").json()["sha256"]
    assert client.get(f"{HYPER}/versions/3/weights").status_code == 200
    assert client.delete(f"{HYPER}/versions/3?reason=broken").status_code == 204
    for path in ("versions/3", "versions/3/weights"):
        assert client.get(f"{HYPER}/{path}").status_code == 404
    [change] = client.get(f"{HYPER}/history").json()["items"]
    assert (change["number"], change["action"], change["sha256"]) == (3, "deleted", sha256)
    assert (change["reason"], bool(change["actor"])) == ("broken", True)


def test_what_an_alias_points_at_stays(client: TestClient) -> None:
    for answer in (
        client.post(f"{HYPER}/versions/2/archive", json={}),
        client.delete(f"{HYPER}/versions/2"),
    ):
        assert answer.status_code == 409
        assert "champion" in answer.json()["detail"]
    client.post(f"{HYPER}/versions/3/archive", json={})
    moved = client.put(f"{HYPER}/aliases/champion", json={"version": 3})
    assert moved.status_code == 409


def test_a_version_that_a_job_needs_stays(client: TestClient) -> None:
    spec = {"suite": "table1", "optimizers": ["hyper@1"]}
    job = client.post("/v1/jobs", json={"kind": "evaluation", "spec": spec})
    assert job.status_code == 201, job.text
    answer = client.delete(f"{HYPER}/versions/1")
    assert answer.status_code == 409
    assert job.json()["id"] in answer.json()["detail"]
    client.post(f"/v1/jobs/{job.json()['id']}/cancel")
    assert client.delete(f"{HYPER}/versions/1").status_code == 204


def test_the_base_of_a_study_names_versions_too() -> None:
    spec = {"base": {"parent": "hyper@1"}, "space": {"lr": [0.1, {"of": "hyper@2"}]}}
    assert {"hyper@1", "hyper@2"} <= set(removals.list_texts(spec))


def test_a_version_is_named_by_its_number(client: TestClient) -> None:
    assert client.delete(f"{HYPER}/versions/latest").status_code == 422
    assert list_numbers(client) == [3, 2, 1]


def test_other_processes_do_not_find_it(services: Container, client: TestClient) -> None:
    client.delete(f"{HYPER}/versions/3")
    assert services.registry.version("hyper", "latest").number == 2


def test_a_late_repeat_does_not_undo_what_came_after_it(client: TestClient) -> None:
    key = {"Idempotency-Key": "archive-1"}
    path = "/v1/optimizers/hyper/versions/1"
    first = client.post(f"{path}/archive", json={"reason": "old"}, headers=key)
    assert first.status_code == 200, first.text
    assert client.post(f"{path}/restore", json={}).status_code == 200
    repeat = client.post(f"{path}/archive", json={"reason": "old"}, headers=key)
    assert (repeat.status_code, repeat.json()["number"]) == (200, 1)
    actions = [
        item["action"] for item in client.get("/v1/optimizers/hyper/history").json()["items"]
    ]
    assert actions == ["archived", "restored"]
    other = client.post(f"{path}/archive", json={"reason": "another"}, headers=key)
    assert other.status_code == 422

"""Optimizers, versions and aliases over REST."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from hyperadam.theta import Theta
from sqlalchemy import update

from services.container import Container
from services.jobs.tables import Job
from tests.registry.thetas import make_theta
from tests.services.optimizers.conftest import CountingRegistry
from tests.services.support import collect_pages, list_error_fields

HYPER = "/v1/optimizers/hyper"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: versions and aliases are in the registry."""
    return sqlite_url


def test_list(client: TestClient, registry: CountingRegistry) -> None:
    registry.create_version("another", make_theta(9), key="k9")
    answer = client.get("/v1/optimizers").json()
    assert answer["next_cursor"] is None
    assert [item["name"] for item in answer["items"]] == ["another", "hyper"]
    assert answer["items"][1] == client.get(HYPER).json()


def test_list_by_pages(client: TestClient, registry: CountingRegistry) -> None:
    for number in range(5):
        registry.create_version(f"o{number}", make_theta(9), key="k")
    optimizers = collect_pages(client, "/v1/optimizers", limit=2)
    names = [optimizer["name"] for optimizer in optimizers]
    assert names == ["hyper", "o0", "o1", "o2", "o3", "o4"]


def test_one(client: TestClient, thetas: list[Theta]) -> None:
    answer = client.get(HYPER).json()
    assert answer["aliases"] == {"champion": 2}
    assert (answer["latest"]["number"], answer["latest"]["sha256"]) == (3, thetas[2].sha256)


@pytest.mark.parametrize(("ref", "number"), [("1", 1), ("champion", 2), ("latest", 3)])
def test_a_version(client: TestClient, thetas: list[Theta], ref: str, number: int) -> None:
    answer = client.get(f"{HYPER}/versions/{ref}").json()
    theta = thetas[number - 1]
    assert answer["optimizer"] == "hyper"
    assert answer["number"] == number
    assert answer["sha256"] == theta.sha256
    assert answer["size_bytes"] == len(theta.to_bytes())
    assert answer["manifest"] == theta.manifest
    assert answer["aliases"] == (["champion"] if number == 2 else [])
    assert answer["job_id"] is None
    assert answer["created_at"].endswith("Z")


def test_versions_by_pages(client: TestClient) -> None:
    first = client.get(f"{HYPER}/versions", params={"limit": 2}).json()
    assert [v["number"] for v in first["items"]] == [3, 2]
    query = {"limit": 2, "cursor": first["next_cursor"]}
    second = client.get(f"{HYPER}/versions", params=query).json()
    assert [v["number"] for v in second["items"]] == [1]
    assert second["next_cursor"] is None


def test_a_version_names_its_job(
    client: TestClient, services: Container, registry: CountingRegistry
) -> None:
    request = {"kind": "meta-training", "spec": {"preset": "quick"}}
    job_id = client.post("/v1/jobs", json=request).json()["id"]
    run_id = registry.open_run(job_id, name="a job")
    with services.database.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(run_id=run_id))
    registry.create_version("hyper", make_theta(7), key=job_id, run_id=run_id)
    assert client.get(f"{HYPER}/versions/latest").json()["job_id"] == job_id
    versions = client.get(f"{HYPER}/versions").json()["items"]
    assert [version["job_id"] for version in versions] == [job_id, None, None, None]


@pytest.mark.parametrize(
    "params",
    [{"limit": 0}, {"limit": 201}, {"cursor": "x"}, {"cursor": "-1"}, {"cursor": "9" * 30}],
)
def test_bad_pages_are_refused(client: TestClient, params: dict[str, Any]) -> None:
    answer = client.get(f"{HYPER}/versions", params=params)
    assert answer.status_code == 422
    assert list_error_fields(answer) == list(params)


def test_an_alias_moves_and_its_history_says_who_and_why(client: TestClient) -> None:
    moved = client.put(f"{HYPER}/aliases/champion", json={"version": 3, "reason": "faster"})
    assert moved.status_code == 200
    assert (moved.json()["number"], moved.json()["aliases"]) == (3, ["champion"])
    assert client.put(f"{HYPER}/aliases/stable", json={"version": 1}).status_code == 200
    deleted = client.delete(f"{HYPER}/aliases/champion", params={"reason": "broken"})
    assert deleted.status_code == 204

    answer = client.get(f"{HYPER}/aliases").json()
    assert answer["items"] == [{"alias": "stable", "version": 1, "protected": False, "rule": None}]
    members = ("alias", "old_version", "new_version", "actor", "reason")
    history = [tuple(change[member] for member in members) for change in answer["history"]]
    assert history == [
        ("champion", None, 2, "alice", "better"),
        ("champion", 2, 3, "tester", "faster"),
        ("stable", None, 1, "tester", ""),
        ("champion", 3, None, "tester", "broken"),
    ]


@pytest.mark.parametrize(
    ("alias", "body", "status", "field"),
    [
        ("champion", {"version": 9}, 404, None),
        ("champion", {"version": 0}, 422, "version"),
        ("champion", {"version": 2**40}, 422, "version"),
        ("champion", {}, 422, "version"),
        ("champion", {"version": 1, "why": "x"}, 422, "why"),
        ("champion", {"version": 1, "reason": "x" * 2001}, 422, "reason"),
        ("champion", {"version": 1, "reason": "a\u0000"}, 422, "reason"),
        ("latest", {"version": 1}, 422, "alias"),
        ("17", {"version": 1}, 422, "alias"),
        ("Champion", {"version": 1}, 422, "alias"),
    ],
)
def test_bad_moves_change_nothing(
    client: TestClient, alias: str, body: dict[str, Any], status: int, field: str | None
) -> None:
    answer = client.put(f"{HYPER}/aliases/{alias}", json=body)
    assert answer.status_code == status
    if field is not None:
        assert list_error_fields(answer) == [field]
    assert len(client.get(f"{HYPER}/aliases").json()["history"]) == 1


def test_what_is_not_there(client: TestClient) -> None:
    for path in (
        "nobody",
        "nobody/versions",
        "nobody/versions/1",
        "nobody/aliases",
        "hyper/versions/7",
    ):
        assert client.get(f"/v1/optimizers/{path}").status_code == 404
    assert client.delete(f"{HYPER}/aliases/nothing").status_code == 404
    moved = client.put("/v1/optimizers/nobody/aliases/champion", json={"version": 1})
    assert moved.status_code == 404

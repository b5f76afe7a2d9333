"""A version that others were trained from is not deleted without a word."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient
from hyperadam.theta import Theta

from registry import Version
from registry.memory import InMemoryRegistry
from services.auth.scopes import Principal, add_implied
from services.container import Container
from services.optimizers.children import check_childless, find_children
from services.problems import Conflict
from tests.registry.thetas import make_theta
from tests.services.projects.conftest import make_team

HYPER = "/v1/optimizers/hyper"


def make_child(parent: Theta, reference: str, seed: int) -> Theta:
    """As a job with `parent` would have made it."""
    theta = make_theta(seed)
    record = {"version": reference, "sha256": parent.sha256}
    provenance = {**theta.provenance, "parent": record}
    return Theta(theta.rule, theta.tensors, theta.rate, provenance=provenance)


def list_references(versions: Iterator[Version]) -> list[str]:
    return [f"{version.optimizer}@{version.number}" for version in versions]


@pytest.fixture
def child(registry: InMemoryRegistry, thetas: list[Theta]) -> Version:
    """Of `hyper@1`, under a name of its own."""
    return registry.create_version("son", make_child(thetas[0], "hyper@1", 11), key="son")


def test_a_parent_stays_and_its_children_are_named(client: TestClient, child: Version) -> None:
    answer = client.delete(f"{HYPER}/versions/1")
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (409, "conflict")
    assert "hyper@1 is the parent of son@1: " in answer.json()["detail"]
    assert client.get(f"{HYPER}/versions/1/weights").status_code == 200
    assert client.delete(f"{HYPER}/versions/3").status_code == 204
    assert child.archived is False


def test_a_parent_goes_where_it_is_said_and_its_children_stay(
    client: TestClient, child: Version, thetas: list[Theta]
) -> None:
    assert client.delete(f"{HYPER}/versions/1?force=true").status_code == 204
    assert client.get(f"{HYPER}/versions/1").status_code == 404
    lineage = client.get("/v1/optimizers/son/versions/1").json()["lineage"]
    assert (lineage["parent"], lineage["parent_sha256"]) == ("hyper@1", thetas[0].sha256)
    assert client.get("/v1/optimizers/son/versions/1/weights").status_code == 200


@pytest.mark.usefixtures("child")
def test_a_parent_may_be_archived(client: TestClient) -> None:
    assert client.post(f"{HYPER}/versions/1/archive", json={}).status_code == 200


def test_an_archived_child_counts_and_a_deleted_one_does_not(
    client: TestClient, child: Version
) -> None:
    client.post(f"/v1/optimizers/{child.optimizer}/versions/1/archive", json={})
    assert client.delete(f"{HYPER}/versions/1").status_code == 409
    client.delete(f"/v1/optimizers/{child.optimizer}/versions/1")
    assert client.delete(f"{HYPER}/versions/1").status_code == 204


def test_what_an_alias_or_a_job_needs_is_not_forced(client: TestClient) -> None:
    assert client.delete(f"{HYPER}/versions/2?force=true").status_code == 409
    spec = {"suite": "table1", "optimizers": ["hyper@1"]}
    assert client.post("/v1/jobs", json={"kind": "evaluation", "spec": spec}).status_code == 201
    assert client.delete(f"{HYPER}/versions/1?force=true").status_code == 409


def test_children_are_found_by_name_and_digest(
    registry: InMemoryRegistry, thetas: list[Theta], child: Version
) -> None:
    """A file from another registry may name a parent that is called the same there."""
    first = registry.version("hyper", "1")
    stranger = make_child(thetas[1], "hyper@1", 12)
    registry.create_version("stranger", stranger, key="stranger")
    registry.create_version("hyper", make_child(thetas[0], "hyper@1", 13), key="k4")
    registry.create_version("son", make_child(thetas[0], "hyper@1", 14), key="k5")
    assert child.number == 1
    assert list_references(find_children(registry, first)) == ["hyper@4", "son@1", "son@2"]
    assert list_references(find_children(registry, registry.version("hyper", "2"))) == []


def test_of_many_children_five_are_named(
    client: TestClient, registry: InMemoryRegistry, thetas: list[Theta]
) -> None:
    for seed in range(7):
        theta = make_child(thetas[0], "hyper@1", 20 + seed)
        registry.create_version("many", theta, key=f"many-{seed}")
    detail = client.delete(f"{HYPER}/versions/1").json()["detail"]
    assert "parent of many@1, many@2, many@3, many@4, many@5, 2 more: " in detail


def test_children_of_another_project_are_counted_and_not_named(
    client: TestClient, services: Container, registry: InMemoryRegistry
) -> None:
    """An issuer's group may make somebody an admin of one project alone."""
    red = make_team(client, services, "red")
    blue = make_team(client, services, "blue")
    assert red.upload("base", seed=30).status_code == 201
    assert blue.upload("secret", seed=31).status_code == 201
    parent = registry.version("base", "1")
    registry.create_version("secret", make_child(make_theta(30), "base@1", 32), key="secret-2")

    places = {"red": add_implied(["admin"])}
    admin = Principal.of_person("person", "somebody", "Somebody", places, datetime.now(UTC))
    with pytest.raises(Conflict, match="base@1 is the parent of 1 of other projects: ") as refused:
        check_childless(services, parent, admin)
    assert "secret" not in refused.value.detail
    assert "secret@2" in client.delete("/v1/optimizers/base/versions/1").json()["detail"]

"""Storage of a project: what counts, and that no two uploads take the same room."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from registry import RegistryError
from registry.memory import InMemoryRegistry
from services.container import Container
from services.database.base import Database, now
from services.optimizers.tables import UNDER_WAY, UploadUnderWay
from tests.meta_trainer.datasets.own_files import make_arrays, to_npz
from tests.registry.thetas import make_theta
from tests.services.application import share_application
from tests.services.projects.conftest import BINARY, Team

FILES = {n_examples: to_npz(make_arrays(n_examples)) for n_examples in (12, 13)}
THETA_BYTES = len(make_theta(1).to_bytes())


def put(team: Team, name: str, n_examples: int = 12) -> Any:
    content = FILES[n_examples]
    return team.ask("PUT", f"/v1/datasets/{name}", content=content, headers=BINARY)


def read_use(team: Team) -> int:
    use = team.ask("GET", f"/v1/projects/{team.project}").json()["use"]
    return int(use["storage_bytes"])


def limit(client: TestClient, n_bytes: int) -> None:
    quotas = {"quotas": {"max_storage_bytes": n_bytes}}
    assert client.patch("/v1/projects/red", json=quotas).status_code == 200


def test_datasets_count_and_what_is_too_much_is_refused(
    client: TestClient, red: Team, blue: Team, registry: InMemoryRegistry
) -> None:
    size = len(FILES[12])
    assert put(red, "first").status_code == 201
    assert (read_use(red), read_use(blue)) == (size, 0)
    limit(client, 2 * size - 1)
    refused = put(red, "second")
    assert refused.status_code == 403
    document = refused.json()
    figures = {name: document[name] for name in ("quota", "limit", "amount", "size")}
    assert figures == {
        "quota": "max_storage_bytes",
        "limit": 2 * size - 1,
        "amount": size,
        "size": size,
    }
    assert f"it stores {size} bytes" in document["detail"]
    assert f"the file has {size}" in document["detail"]
    assert red.ask("GET", "/v1/datasets/second").status_code == 404
    assert put(red, "first").status_code == 200
    assert put(blue, "second").status_code == 201
    assert red.ask("DELETE", "/v1/datasets/first").status_code == 204
    assert put(red, "third", 13).status_code == 201
    assert read_use(red) == len(FILES[13])


def test_a_version_that_would_be_too_much_is_not_stored(
    client: TestClient, red: Team, registry: InMemoryRegistry
) -> None:
    assert red.upload("mine").status_code == 201
    used = read_use(red)
    assert used == THETA_BYTES
    limit(client, used + THETA_BYTES - 1)
    refused = red.upload("mine", seed=2)
    assert (refused.status_code, refused.json()["size"]) == (403, THETA_BYTES)
    assert len(registry.versions("mine")) == 1
    assert red.upload("mine").status_code == 200
    limit(client, used + THETA_BYTES)
    assert red.upload("mine", seed=2).status_code == 201
    assert client.delete("/v1/optimizers/mine/versions/1").status_code == 204
    assert read_use(red) == THETA_BYTES


def test_a_toy_counts_as_well(client: TestClient, red: Team) -> None:
    assert red.upload("red-quick").status_code == 201
    assert read_use(red) == THETA_BYTES
    content = make_theta(3).to_bytes()
    path = "/v1/optimizers/quick/versions"
    assert client.post(path, content=content, headers=BINARY).status_code == 201
    use = client.get("/v1/projects/default").json()["use"]
    assert use["storage_bytes"] == THETA_BYTES


@pytest.fixture
def elsewhere(red: Team, services: Container) -> Team:
    """The same project, by another process."""
    other = Container(
        settings=services.settings, database=services.database, registry=services.registry
    )
    return Team(TestClient(share_application(other, process=1)), red.project, red.headers)


def interrupt(
    monkeypatch: pytest.MonkeyPatch, registry: InMemoryRegistry, method: str, act: Callable[[], Any]
) -> None:
    """Do something just before the registry stores what comes next."""
    store = getattr(registry, method)
    pending = [act]

    def store_late(*arguments: Any, **more: Any) -> Any:
        if pending:
            pending.pop()()
        return store(*arguments, **more)

    monkeypatch.setattr(registry, method, store_late)


@pytest.mark.parametrize("first", ["theta", "dataset"])
@pytest.mark.parametrize("second", ["theta", "dataset"])
def test_two_at_once_do_not_take_the_same_room(
    client: TestClient,
    red: Team,
    elsewhere: Team,
    registry: InMemoryRegistry,
    monkeypatch: pytest.MonkeyPatch,
    first: str,
    second: str,
) -> None:
    sizes = {"theta": THETA_BYTES, "dataset": len(FILES[13])}
    limit(client, sizes[first] + sizes[second] - 1)
    answers: list[Any] = []

    def upload(team: Team, what: str, name: str) -> None:
        if what == "theta":
            answers.append(team.upload(name, seed=2))
        else:
            answers.append(put(team, name, 13))

    method = "create_version" if first == "theta" else "put_artifact"
    interrupt(monkeypatch, registry, method, lambda: upload(elsewhere, second, "b"))
    upload(red, first, "a")
    late, early = answers
    assert (early.status_code, late.status_code) == (201, 403)
    assert late.json()["amount"] == sizes[first]
    assert read_use(red) == sizes[first]


def test_the_same_file_twice_at_once_counts_once(
    red: Team, elsewhere: Team, registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, registry, "create_version", lambda: elsewhere.upload("a"))
    assert red.upload("a").status_code in {200, 201}
    assert read_use(red) == THETA_BYTES


def test_what_a_failed_or_killed_upload_took_is_given_back(
    red: Team, registry: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    def fail() -> None:
        raise RegistryError("no")

    interrupt(monkeypatch, registry, "create_version", fail)
    assert red.upload("a").status_code == 503
    assert read_use(red) == 0
    theta = make_theta(2)
    registry.create_version("a", theta, key="stored-and-then-killed")
    long_ago = now() - UNDER_WAY - timedelta(seconds=1)
    rows = ((theta.sha256, long_ago), ("0" * 64, long_ago), ("1" * 64, now()))
    with database.write() as session:
        for sha256, moment in rows:
            session.add(
                UploadUnderWay(
                    optimizer="a", sha256=sha256, project="red", n_bytes=50, started_at=moment
                )
            )
    assert read_use(red) == 50
    assert red.upload("a").status_code == 201
    assert read_use(red) == 50 + 2 * THETA_BYTES

"""Histories and keys come in pages."""

from __future__ import annotations

from fastapi.testclient import TestClient

from registry import Registry
from services.container import Container
from tests.registry.thetas import make_theta


def test_the_history_of_aliases_comes_in_pages(client: TestClient, registry: Registry) -> None:
    for seed in (1, 2):
        registry.create_version("paged", make_theta(seed), key=f"job_{seed}")
    for move in range(5):
        registry.set_alias("paged", "champion", 1 + move % 2, actor="a", reason=str(move))
    path = "/v1/optimizers/paged/aliases"
    reasons: list[str] = []
    query = {"limit": "2"}
    n_pages = 0
    while True:
        page = client.get(path, params=query).json()
        assert [alias["version"] for alias in page["items"]] == [1]
        reasons += [change["reason"] for change in page["history"]]
        n_pages += 1
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert (n_pages, reasons) == (3, ["0", "1", "2", "3", "4"])
    assert client.get(path).json()["next_cursor"] is None


def test_the_history_of_versions_and_keys_come_in_pages(
    client: TestClient, registry: Registry, services: Container
) -> None:
    registry.create_version("paged", make_theta(1), key="job_1")
    registry.archive_version("paged", 1, actor="a")
    registry.restore_version("paged", 1, actor="a")
    first = client.get("/v1/optimizers/paged/history", params={"limit": 1}).json()
    assert ([item["action"] for item in first["items"]], first["next_cursor"]) == (
        ["archived"],
        "1",
    )
    services.api_keys.create("second", ["read"])
    keys = client.get("/v1/keys", params={"limit": 1}).json()
    assert ([key["name"] for key in keys["items"]], keys["next_cursor"]) == (["tester"], "1")
    rest = client.get("/v1/keys", params={"cursor": "1"}).json()
    assert ([key["name"] for key in rest["items"]], rest["next_cursor"]) == (["second"], None)

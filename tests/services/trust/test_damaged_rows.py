"""One bad stored row: every list of the catalogue goes on, and names it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from registry import Version
from registry.memory import InMemoryRegistry
from tests.registry.thetas import make_theta

DEEP: dict[str, Any] = {}
for _ in range(400):
    DEEP = {"deeper": DEEP}


class FaultyRegistry(InMemoryRegistry):
    """Its version 2 has a manifest as others might have written it."""

    manifest: Any = None

    def versions(self, optimizer: str) -> list[Version]:
        return [self._spoil(version) for version in super().versions(optimizer)]

    def version(self, optimizer: str, ref: str) -> Version:
        return self._spoil(super().version(optimizer, ref))

    def _spoil(self, version: Version) -> Version:
        return replace(version, manifest=self.manifest) if version.number == 2 else version


@pytest.fixture
def registry() -> FaultyRegistry:
    registry = FaultyRegistry()
    for seed in (1, 2):
        registry.create_version("hyper", make_theta(seed), key=f"k{seed}")
    return registry


@pytest.mark.parametrize(
    "manifest",
    [{"note": "\ud800"}, DEEP, {"provenance": {"datasets": {"a": "\udfff"}}}, {1: 2}],
    ids=["surrogate", "deep", "lineage", "name"],
)
def test_lists_survive_it(
    client: TestClient, registry: FaultyRegistry, manifest: dict[str, Any]
) -> None:
    registry.manifest = manifest
    listed = client.get("/v1/optimizers/hyper/versions")
    assert listed.status_code == 200
    spoiled, whole = listed.json()["items"]
    assert (spoiled["number"], whole["number"], whole["damage"]) == (2, 1, None)
    if spoiled["damage"] is not None:
        assert spoiled["manifest"] == {}

    for path in (
        "",
        "/hyper",
        "/hyper/versions/2",
        "/hyper/aliases",
        "/hyper/versions?metric=x<=1",
    ):
        assert client.get(f"/v1/optimizers{path}").status_code == 200, path
    answer = client.get("/v1/optimizers/hyper/versions/2/compare", params={"to": "hyper@1"})
    assert answer.status_code == 200

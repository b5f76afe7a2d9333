"""An optimizer `hyper` with three versions, in a registry that counts how often it is asked."""

from __future__ import annotations

from collections import Counter

import pytest
from hyperadam.theta import Theta

from registry import Version
from registry.memory import InMemoryRegistry
from tests.registry.thetas import make_theta


class CountingRegistry(InMemoryRegistry):
    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def version(self, optimizer: str, ref: str) -> Version:
        self.calls["version"] += 1
        return super().version(optimizer, ref)

    def weights(self, optimizer: str, number: int) -> bytes:
        self.calls["weights"] += 1
        return super().weights(optimizer, number)


@pytest.fixture
def thetas() -> list[Theta]:
    """The versions 1, 2 and 3."""
    return [make_theta(seed) for seed in (1, 2, 3)]


@pytest.fixture
def registry(thetas: list[Theta]) -> CountingRegistry:
    registry = CountingRegistry()
    for number, theta in enumerate(thetas, start=1):
        registry.create_version("hyper", theta, key=f"k{number}")
    registry.set_alias("hyper", "champion", 2, actor="alice", reason="better")
    registry.calls.clear()
    return registry

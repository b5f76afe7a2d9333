"""How many calls can run at the same time on a Ray cluster."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import ray
from ray.util import placement_group_table

RECOUNT_SECONDS: Final = 1.0
"""Between two looks at whether places came or went."""

ROOM_SECONDS: Final = 60.0
"""After so long without a place for anything, the work makes room for others and waits."""


def describe_shortage(needs: str, seconds: float) -> str:
    """Why nothing could be placed for so long, for people."""
    n_all = ray.cluster_resources().get("CPU", 0.0)
    n_free = ray.available_resources().get("CPU", 0.0)
    return f"{needs}; of the cluster's {n_all:g} CPUs {n_free:g} are free (for {seconds:.0f} s)"


def list_places(bundles: Sequence[Mapping[str, float]]) -> frozenset[str]:
    """Ids of the placement groups of such bundles that have their resources. What is to run in one
    may still be on its way, which takes long on a busy machine."""
    return frozenset(
        group_id
        for group_id, group in placement_group_table().items()
        if group["state"] == "CREATED" and list(group["bundles"].values()) == list(bundles)
    )


class Change(NamedTuple):
    """Places for calls came or went."""

    before: int
    now: int


class Places:
    """The places for calls on the cluster, each of so many cores."""

    def __init__(self, n_cpus: float, limit: int | None) -> None:
        """
        Args:
            n_cpus: cores of each place.
            limit: at most so many places; None: as many as there are cores for.
        """
        self._n_cpus = n_cpus
        self._limit = limit
        self._n_places = self.count()
        self._counted = time.monotonic()

    def count(self) -> int:
        """All places, taken or not."""
        places = int(ray.cluster_resources().get("CPU", 0) / self._n_cpus)
        return places if self._limit is None else min(places, self._limit)

    def count_idle(self, n_taken: int) -> int:
        """Places where nothing runs.

        Args:
            n_taken: places that tasks of ours have, or wait for.
        """
        idle = int(ray.available_resources().get("CPU", 0) / self._n_cpus)
        if self._limit is not None:
            idle = min(idle, self._limit - n_taken)
        return max(0, idle)

    def find_change(self) -> Change | None:
        """What came or went since the last look; None also while that is too recent."""
        now = time.monotonic()
        if now - self._counted < RECOUNT_SECONDS:
            return None
        before = self._n_places
        self._n_places = self.count()
        self._counted = now
        return Change(before, self._n_places) if self._n_places != before else None

"""When the jobs of the queue may expect to start: an estimate from what the active ones will still
take, and from how long jobs took of late."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy.orm import Session

from services.jobs import queries

RECENT_JOBS: Final = 20
"""So many of the jobs that succeeded last say how long a job takes."""

_UNKNOWN: Final = float("inf")


def estimate_starts(
    session: Session, positions: Mapping[str, int], n_slots: int
) -> dict[str, float | None]:
    """Seconds until each job at these places of the queue starts, as `estimate_waits` has it.

    Args:
        n_slots: how many jobs may be active at a time.
    """
    if not positions:
        return {}
    durations = queries.list_recent_durations(session, RECENT_JOBS)
    typical = statistics.median(durations) if durations else None
    remaining = queries.list_remaining_seconds(session)
    waits = estimate_waits(max(positions.values()), remaining, n_slots, typical)
    return {job_id: waits[place - 1] for job_id, place in positions.items()}


def estimate_waits(
    n_places: int, remaining: Sequence[float | None], n_slots: int, typical: float | None
) -> list[float | None]:
    """Seconds until the first `n_places` jobs of a queue start.

    Whoever is next takes the slot that is free first. An active job frees its own after what
    `remaining` says of it, or after half of the `typical` time where that is not known; a job from
    the queue after all of it. None: unknown.
    """
    busy = [_estimate_end(seconds, typical) for seconds in remaining[:n_slots]]
    n_free = max(0, n_slots - len(busy))
    slots = [0.0] * n_free + busy
    heapq.heapify(slots)
    waits: list[float | None] = []
    for _ in range(n_places):
        free_at = heapq.heappop(slots)
        waits.append(free_at if free_at < _UNKNOWN else None)
        heapq.heappush(slots, _UNKNOWN if typical is None else free_at + typical)
    return waits


def _estimate_end(remaining: float | None, typical: float | None) -> float:
    """Seconds until an active job ends."""
    if remaining is not None:
        return remaining
    return _UNKNOWN if typical is None else typical / 2

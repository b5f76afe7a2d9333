"""The queue: which job starts next within the limits, and when the others may expect to."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from services.database.base import now
from services.jobs import changes, queries
from services.jobs.tables import Job
from services.settings import Settings

RECENT_JOBS: Final = 20
"""So many of the jobs that succeeded last say how long a job takes."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many jobs may be active at a time."""

    in_all: int
    of_one_key: int
    """Submitted with the same API key; 0: as many as in all."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(in_all=settings.max_running_jobs, of_one_key=settings.max_running_jobs_per_key)


def take(session: Session, limits: Limits) -> None:
    """Begin an attempt of as many waiting jobs as there is room for: the highest priority first,
    then the oldest. A job whose key is at its limit lets those behind it pass."""
    active = queries.active_by_key(session)
    while active.total() < limits.in_all:
        full = [
            key_id for key_id, count in active.items() if key_id and 0 < limits.of_one_key <= count
        ]
        may_start = or_(Job.api_key_id.is_(None), Job.api_key_id.not_in(full))
        due = select(Job).where(queries.due(now()), may_start)
        job = session.scalar(due.order_by(*queries.QUEUE_ORDER).limit(1).with_for_update())
        if job is None:
            return
        changes.begin_attempt(session, job)
        session.flush()
        active[job.api_key_id] += 1


def expected_starts(
    session: Session, positions: Mapping[str, int], limits: Limits
) -> dict[str, float | None]:
    """Seconds until each job at these places of the queue starts, as `wait_seconds` estimates
    it."""
    if not positions:
        return {}
    recent = queries.recent_durations(session, RECENT_JOBS)
    typical = statistics.median(recent) if recent else None
    waits = wait_seconds(
        max(positions.values()), queries.remaining_seconds(session), limits.in_all, typical
    )
    return {job_id: waits[place - 1] for job_id, place in positions.items()}


def wait_seconds(
    n_places: int, remaining: Sequence[float | None], n_slots: int, typical: float | None
) -> list[float | None]:
    """Seconds until the first `n_places` jobs of a queue start.

    Whoever is next takes the slot that is free first. An active job frees its own after what
    `remaining` says of it, or after half of the `typical` time where that is not known; a job from
    the queue after all of it. None: unknown.
    """
    busy = [_left(seconds, typical) for seconds in remaining[:n_slots]]
    slots = [0.0] * max(0, n_slots - len(busy)) + busy
    heapq.heapify(slots)
    waits: list[float | None] = []
    for _ in range(n_places):
        free_at = heapq.heappop(slots)
        waits.append(free_at if free_at < _UNKNOWN else None)
        heapq.heappush(slots, _UNKNOWN if typical is None else free_at + typical)
    return waits


_UNKNOWN: Final = float("inf")


def _left(seconds: float | None, typical: float | None) -> float:
    if seconds is not None:
        return seconds
    return _UNKNOWN if typical is None else typical / 2

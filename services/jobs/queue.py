"""The queue: which job starts next within the limits, and which place each of the others has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from services.database.base import now
from services.jobs import changes, queries
from services.jobs.lifecycle import State
from services.jobs.tables import Job
from services.settings import Settings


@dataclass(frozen=True, kw_only=True)
class QueueLimits:
    """How many jobs may be active at a time."""

    total: int
    per_key: int
    """Submitted with the same API key; 0: as many as in all."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(total=settings.max_running_jobs, per_key=settings.max_running_jobs_per_key)


def start_due_jobs(session: Session, limits: QueueLimits) -> None:
    """Begin an attempt of as many waiting jobs as there is room for: the highest priority first,
    then the oldest. A job whose key is at its limit lets those behind it pass."""
    active = queries.count_active_by_key(session)
    while active.total() < limits.total:
        job = _find_next(session, _list_full_keys(active, limits))
        if job is None:
            return
        changes.begin_attempt(session, job)
        session.flush()
        active[job.api_key_id] += 1


def _list_full_keys(active: Counter[str | None], limits: QueueLimits) -> list[str]:
    """The API keys that have as many active jobs as they may."""
    if limits.per_key == 0:
        return []
    return [key_id for key_id, count in active.items() if key_id and count >= limits.per_key]


def _find_next(session: Session, full_keys: Sequence[str]) -> Job | None:
    """The first in the queue that is of none of these keys, locked."""
    may_start = or_(Job.api_key_id.is_(None), Job.api_key_id.not_in(full_keys))
    query = (
        select(Job)
        .where(queries.is_due(now()), may_start, Job.waiting_reason.is_(None))
        .order_by(*queries.QUEUE_ORDER)
        .limit(1)
        .with_for_update()
    )
    return session.scalar(query)


def find_positions(session: Session, jobs: Sequence[Job]) -> dict[str, int]:
    """Places in the queue (1: the next to start) of those jobs that wait in it.

    Of the queue, which may be long, only this is read: how many jobs have a higher priority, how
    many of the same are older, and which of these lie between the given ones.
    """
    waiting = [job for job in jobs if job.state == State.QUEUED]
    waiting.sort(key=lambda job: (job.priority, job.seq))
    places: dict[str, int] = {}
    for priority, equals in groupby(waiting, key=lambda job: job.priority):
        places |= _find_positions_of_equals(session, priority, list(equals))
    return places


def _find_positions_of_equals(
    session: Session, priority: int, jobs: Sequence[Job]
) -> dict[str, int]:
    """Places of jobs of one priority, oldest first."""
    first = jobs[0].seq
    last = jobs[-1].seq
    is_queued = Job.state == State.QUEUED
    is_equal = Job.priority == priority
    n_above = _count(session, is_queued, Job.priority > priority)
    n_older = _count(session, is_queued, is_equal, Job.seq < first)
    between = (
        select(Job.seq).where(is_queued, is_equal, Job.seq.between(first, last)).order_by(Job.seq)
    )
    first_place = n_above + n_older + 1
    place_of = {seq: place for place, seq in enumerate(session.scalars(between), start=first_place)}
    return {job.id: place_of[job.seq] for job in jobs if job.seq in place_of}


def _count(session: Session, *conditions: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(Job).where(*conditions)) or 0

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
from services.jobs.shares import Shares, find_place, read_queues, read_shares, take_turn
from services.jobs.tables import Job
from services.settings import Settings


@dataclass(frozen=True, kw_only=True)
class QueueLimits:
    """How many jobs may be active at a time."""

    total: int
    per_key: int
    """Submitted with the same API key; 0: as many as in all."""
    is_fair: bool = True
    """Whether API keys take turns; else the oldest job is next, whoever's it is."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(
            total=settings.max_running_jobs,
            per_key=settings.max_running_jobs_per_key,
            is_fair=settings.queue_order == "fair",
        )


def start_due_jobs(session: Session, limits: QueueLimits) -> None:
    """Begin an attempt of as many waiting jobs as there is room for: the highest priority first,
    then as the keys take turns. A job whose key is at its limit lets those behind it pass."""
    active = queries.count_active_by_key(session)
    while active.total() < limits.total:
        shares = read_shares(session, is_fair=limits.is_fair)
        job = _find_next(session, _list_full_keys(active, limits), shares)
        if job is None:
            return
        changes.begin_attempt(session, job)
        take_turn(session, job.api_key_id)
        active[job.api_key_id] += 1


def _list_full_keys(active: Counter[str | None], limits: QueueLimits) -> list[str]:
    """The API keys that have as many active jobs as they may."""
    if limits.per_key == 0:
        return []
    return [key_id for key_id, count in active.items() if key_id and count >= limits.per_key]


def _find_next(session: Session, full_keys: Sequence[str], shares: Shares) -> Job | None:
    """The first in the queue that is of none of these keys, locked."""
    may_start = or_(Job.api_key_id.is_(None), Job.api_key_id.not_in(full_keys))
    query = (
        select(Job)
        .where(queries.is_due(now()), may_start, Job.waiting_reason.is_(None))
        .order_by(Job.priority.desc(), *shares.order())
        .limit(1)
        .with_for_update()
    )
    return session.scalar(query)


def find_positions(
    session: Session, jobs: Sequence[Job], *, is_fair: bool = True
) -> dict[str, int]:
    """Places in the queue (1: the next to start) of those jobs that wait in it.

    Of the queue, which may be long, only this is read: how many jobs have a higher priority, how
    many of the same each key has, and how many of its own are older.
    """
    waiting = [job for job in jobs if job.state == State.QUEUED]
    if not waiting:
        return {}
    shares = read_shares(session, is_fair=is_fair)
    waiting.sort(key=lambda job: (job.priority, job.seq))
    places: dict[str, int] = {}
    for priority, equals in groupby(waiting, key=lambda job: job.priority):
        places |= _find_positions_of_equals(session, shares, priority, list(equals))
    return places


def _find_positions_of_equals(
    session: Session, shares: Shares, priority: int, jobs: Sequence[Job]
) -> dict[str, int]:
    """Places of jobs of one priority, oldest first."""
    n_above = _count(session, Job.state == State.QUEUED, Job.priority > priority)
    queues = read_queues(session, shares, priority)
    jobs_by_key: dict[str, list[Job]] = {}
    for job in jobs:
        key_id = (job.api_key_id or "") if shares.is_fair else ""
        jobs_by_key.setdefault(key_id, []).append(job)

    places = {}
    for key_id, jobs_of_key in jobs_by_key.items():
        ranks = _find_ranks(session, shares.owner == key_id, priority, jobs_of_key)
        for job in jobs_of_key:
            if job.seq in ranks:
                places[job.id] = n_above + find_place(queues, key_id, ranks[job.seq])
    return places


def _find_ranks(
    session: Session, is_own: ColumnElement[bool], priority: int, jobs: Sequence[Job]
) -> dict[int, int]:
    """By sequence number: the place of these jobs, oldest first, among those of their key."""
    first = jobs[0].seq
    last = jobs[-1].seq
    conditions = (Job.state == State.QUEUED, Job.priority == priority, is_own)
    n_older = _count(session, *conditions, Job.seq < first)
    between = select(Job.seq).where(*conditions, Job.seq.between(first, last)).order_by(Job.seq)
    return {seq: rank for rank, seq in enumerate(session.scalars(between), start=n_older + 1)}


def _count(session: Session, *conditions: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(Job).where(*conditions)) or 0

"""The queue: which job starts next within the limits, and which place each of the others has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from sqlalchemy import ColumnElement, and_, func, or_, select, true
from sqlalchemy.orm import Session

from services.database.base import now
from services.jobs import changes, queries
from services.jobs.lifecycle import State
from services.jobs.project_turns import (
    list_in_turn,
    read_project_queues,
    take_project_turn,
)
from services.jobs.shares import Shares, find_place, read_queues, read_shares, take_turn
from services.jobs.tables import Job
from services.projects.quotas import find_block
from services.projects.tables import Project
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
        session.flush()
        take_turn(session, job.api_key_id)
        take_project_turn(session, job.project)
        active[job.api_key_id] += 1


def _list_full_keys(active: Counter[str | None], limits: QueueLimits) -> list[str]:
    """The API keys that have as many active jobs as they may."""
    if limits.per_key == 0:
        return []
    return [key_id for key_id, count in active.items() if key_id and count >= limits.per_key]


def _find_next(session: Session, full_keys: Sequence[str], shares: Shares) -> Job | None:
    """The next one that is of none of these keys and of no project at its limits, locked."""
    remaining = list_in_turn(session)
    while remaining:
        candidates = remaining[:1] if shares.is_fair else remaining
        job = _find_first(session, full_keys, shares, candidates)
        if job is not None and _has_cores(session, job):
            return job
        done = candidates if job is None else [job.project]
        remaining = [name for name in remaining if name not in done]
    return None


def _find_first(
    session: Session, full_keys: Sequence[str], shares: Shares, projects: Sequence[str]
) -> Job | None:
    """Of these projects' jobs, the first in the queue."""
    may_start = or_(Job.api_key_id.is_(None), Job.api_key_id.not_in(full_keys))
    query = (
        select(Job)
        .where(
            queries.is_due(now()),
            may_start,
            Job.waiting_reason.is_(None),
            Job.project.in_(projects),
        )
        .order_by(Job.priority.desc(), *shares.order())
        .limit(1)
        .with_for_update()
    )
    return session.scalar(query)


def _has_cores(session: Session, job: Job) -> bool:
    """Whether its project has as many left as it makes use of."""
    project = session.get(Project, job.project)
    return project is None or find_block(session, project, job.n_cores) is None


def find_positions(
    session: Session, jobs: Sequence[Job], *, is_fair: bool = True
) -> dict[str, int]:
    """Places in the queue (1: the next to start) of those jobs that wait in it.

    Of the queue, which may be long, only this is read: how many jobs each project has, and of its
    own how many have a higher priority, how many of the same each key has, and how many of that
    key's are older.
    """
    waiting = [job for job in jobs if job.state == State.QUEUED]
    if not waiting:
        return {}
    shares = read_shares(session, is_fair=is_fair)
    if not is_fair:
        return _find_ranks_of_all(session, shares, true(), waiting)
    project_queues = read_project_queues(session)
    waiting.sort(key=lambda job: job.project)
    places: dict[str, int] = {}
    for name, own in groupby(waiting, key=lambda job: job.project):
        ranks = _find_ranks_of_all(session, shares, Job.project == name, list(own))
        for job_id, rank in ranks.items():
            places[job_id] = find_place(project_queues, name, rank)
    return places


def _find_ranks_of_all(
    session: Session, shares: Shares, is_among: ColumnElement[bool], jobs: Sequence[Job]
) -> dict[str, int]:
    """Places among the jobs of which `is_among` holds."""
    ordered = sorted(jobs, key=lambda job: (job.priority, job.seq))
    places: dict[str, int] = {}
    for priority, equals in groupby(ordered, key=lambda job: job.priority):
        places |= _find_positions_of_equals(session, shares, is_among, priority, list(equals))
    return places


def _find_positions_of_equals(
    session: Session,
    shares: Shares,
    is_among: ColumnElement[bool],
    priority: int,
    jobs: Sequence[Job],
) -> dict[str, int]:
    """Places of jobs of one priority, oldest first."""
    n_above = _count(session, Job.state == State.QUEUED, Job.priority > priority, is_among)
    queues = read_queues(session, shares, priority, is_among)
    jobs_by_key: dict[str, list[Job]] = {}
    for job in jobs:
        key_id = (job.api_key_id or "") if shares.is_fair else ""
        jobs_by_key.setdefault(key_id, []).append(job)

    places = {}
    for key_id, jobs_of_key in jobs_by_key.items():
        is_own = and_(shares.owner == key_id, is_among)
        ranks = _find_ranks(session, is_own, priority, jobs_of_key)
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

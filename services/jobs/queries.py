"""Reads of the job store. Each is one or two indexed statements; none asks an executor."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from services.jobs.lifecycle import ACTIVE, ENDED, State
from services.jobs.tables import Attempt, Event, Job, LogChunk

LOG_PAGE_BYTES: Final = 1 << 20
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
QUEUE_ORDER: Final = (Job.priority.desc(), Job.seq)
"""The job that starts next is the first in this order of those that may start."""


def job(session: Session, job_id: str, *, lock: bool = False) -> Job | None:
    """The job, locked until the transaction ends if so asked; None for whatever is the id of
    none."""
    if not _ID.fullmatch(job_id):  # what no id may contain, a database may refuse to compare
        return None
    query = select(Job).where(Job.id == job_id)
    return session.scalar(query.with_for_update() if lock else query)


def jobs(
    session: Session,
    *,
    kinds: Sequence[str] = (),
    states: Sequence[str] = (),
    labels: Sequence[tuple[str, str]] = (),
    before: int | None = None,
    limit: int,
) -> list[Job]:
    """Newest first, those submitted before the cursor."""
    query = select(Job).order_by(Job.seq.desc()).limit(limit)
    if kinds:
        query = query.where(Job.kind.in_(kinds))
    if states:
        query = query.where(Job.state.in_(states))
    for key, value in labels:
        query = query.where(Job.labels[key].as_string() == value)
    if before is not None:
        query = query.where(Job.seq < before)
    return list(session.scalars(query))


def queue_positions(session: Session, jobs: Sequence[Job]) -> dict[str, int]:
    """Places in the queue (1: the next to start) of those jobs that wait in it.

    Of the queue, which may be long, only this is read: how many jobs have a higher priority, how
    many of the same are older, and which of these lie between the given ones.
    """
    places: dict[str, int] = {}
    waiting = sorted(
        (job for job in jobs if job.state == State.QUEUED), key=lambda job: (job.priority, job.seq)
    )
    for priority, equals in groupby(waiting, key=lambda job: job.priority):
        alike = list(equals)
        first, last = alike[0].seq, alike[-1].seq
        queued, same = Job.state == State.QUEUED, Job.priority == priority
        n_before = _count(session, queued, Job.priority > priority) + _count(
            session, queued, same, Job.seq < first
        )
        between = (
            select(Job.seq).where(queued, same, Job.seq.between(first, last)).order_by(Job.seq)
        )
        rank = {
            seq: number for number, seq in enumerate(session.scalars(between), start=n_before + 1)
        }
        places |= {job.id: rank[job.seq] for job in alike if job.seq in rank}
    return places


def _count(session: Session, *conditions: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(Job).where(*conditions)) or 0


def due(moment: datetime) -> ColumnElement[bool]:
    """Of jobs that may be started now: they are queued, and wait for no later moment."""
    return and_(Job.state == State.QUEUED, or_(Job.retry_at.is_(None), Job.retry_at <= moment))


def overdue(session: Session, moment: datetime) -> list[str]:
    """Ids of jobs that have not ended by their deadline, and were not told so yet."""
    open_states = [
        state.value for state in State if state not in ENDED | {State.CANCELLING, State.EXPIRING}
    ]
    return list(
        session.scalars(select(Job.id).where(Job.state.in_(open_states), Job.deadline <= moment))
    )


def active_by_key(session: Session) -> Counter[str | None]:
    """How many jobs of each API key are active; None: of keys that were not recorded."""
    states = [state.value for state in ACTIVE]
    rows = session.execute(
        select(Job.api_key_id, func.count()).where(Job.state.in_(states)).group_by(Job.api_key_id)
    )
    return Counter({row.api_key_id: row[1] for row in rows})


def remaining_seconds(session: Session) -> list[float | None]:
    """Of every active job, the newest estimate of the time that it will still take."""
    states = [state.value for state in ACTIVE]
    return list(session.scalars(select(Job.eta_seconds).where(Job.state.in_(states))))


def recent_durations(session: Session, n_jobs: int) -> list[float]:
    """Seconds from start to end of the jobs that succeeded last."""
    query = select(Job.started_at, Job.ended_at).where(Job.state == State.SUCCEEDED)
    rows = session.execute(query.order_by(Job.seq.desc()).limit(n_jobs))
    return [(ended - started).total_seconds() for started, ended in rows if started and ended]


def events(session: Session, job_id: str, *, after: int, limit: int) -> list[Event]:
    query = (
        select(Event)
        .where(Event.job_id == job_id, Event.id > after)
        .order_by(Event.id)
        .limit(limit)
    )
    return list(session.scalars(query))


def attempts(session: Session, job_id: str) -> list[Attempt]:
    return list(
        session.scalars(select(Attempt).where(Attempt.job_id == job_id).order_by(Attempt.number))
    )


def log_page(
    session: Session, job_id: str, *, after: int, max_bytes: int = LOG_PAGE_BYTES
) -> tuple[bytes, int | None]:
    """The log from byte `after` on, at least one chunk of it if there is one, and the attempt that
    wrote its end."""
    first = (
        select(func.max(LogChunk.start))
        .where(LogChunk.job_id == job_id, LogChunk.start <= after)
        .scalar_subquery()
    )
    query = (
        select(LogChunk)
        .where(
            LogChunk.job_id == job_id, LogChunk.start >= first, LogChunk.start < after + max_bytes
        )
        .order_by(LogChunk.start)
    )
    chunks = list(session.scalars(query))
    if not chunks:
        return b"", None
    data = b"".join(chunk.data for chunk in chunks)
    return data[after - chunks[0].start :], chunks[-1].attempt

"""Reads of the job store. Each is one or two indexed statements; none asks an executor."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from services.jobs.lifecycle import State
from services.jobs.tables import Attempt, Event, Job, LogChunk

LOG_PAGE_BYTES: Final = 1 << 20


def job(session: Session, job_id: str) -> Job | None:
    return session.scalar(select(Job).where(Job.id == job_id))


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
    """Places in the queue (1: the next to start) of those jobs that wait in it."""
    waiting = [job for job in jobs if job.state == State.QUEUED]
    if not waiting:
        return {}
    last = max(job.seq for job in waiting)
    query = select(Job.seq).where(Job.state == State.QUEUED, Job.seq <= last).order_by(Job.seq)
    queue = list(session.scalars(query))
    return {job.id: bisect_left(queue, job.seq) + 1 for job in waiting}


def due(moment: datetime) -> ColumnElement[bool]:
    """Of jobs that may be started now: they are queued, and wait for no later moment."""
    return and_(Job.state == State.QUEUED, or_(Job.retry_at.is_(None), Job.retry_at <= moment))


def events(session: Session, job_id: str, *, after: int, limit: int) -> list[Event]:
    query = select(Event).where(Event.job_id == job_id, Event.id > after).order_by(Event.id).limit(limit)
    return list(session.scalars(query))


def attempts(session: Session, job_id: str) -> list[Attempt]:
    return list(session.scalars(select(Attempt).where(Attempt.job_id == job_id).order_by(Attempt.number)))


def log_page(session: Session, job_id: str, *, after: int, max_bytes: int = LOG_PAGE_BYTES) -> tuple[bytes, int | None]:
    """The log from byte `after` on, at least one chunk of it if there is one, and the attempt that wrote its end."""
    first = select(func.max(LogChunk.start)).where(LogChunk.job_id == job_id, LogChunk.start <= after).scalar_subquery()
    query = (
        select(LogChunk)
        .where(LogChunk.job_id == job_id, LogChunk.start >= first, LogChunk.start < after + max_bytes)
        .order_by(LogChunk.start)
    )
    chunks = list(session.scalars(query))
    if not chunks:
        return b"", None
    data = b"".join(chunk.data for chunk in chunks)
    return data[after - chunks[0].start :], chunks[-1].attempt

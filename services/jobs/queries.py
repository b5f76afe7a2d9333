"""Reads of the job store. Each is one or two indexed statements; none asks an executor."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from services.jobs.lifecycle import ACTIVE, ENDED, State
from services.jobs.retries import FIRST_SECONDS, compute_pause
from services.jobs.tables import Attempt, Event, Job, LogChunk

LOG_PAGE_BYTES: Final = 1 << 20

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_EXPIRABLE: Final = [
    state.value for state in State if state not in ENDED | {State.CANCELLING, State.EXPIRING}
]
"""States in which a deadline still has something to say."""


def find_job(session: Session, job_id: str, *, lock: bool = False) -> Job | None:
    """The job, locked until the transaction ends if so asked; None for whatever is the id of
    none."""
    if not _ID.fullmatch(job_id):  # what no id may contain, a database may refuse to compare
        return None
    query = select(Job).where(Job.id == job_id)
    if lock:
        query = query.with_for_update()
    return session.scalar(query)


def list_jobs(
    session: Session,
    conditions: Sequence[ColumnElement[bool]],
    *,
    before: int | None = None,
    limit: int,
) -> list[Job]:
    """Newest first, those submitted before the cursor."""
    query = select(Job).where(*conditions).order_by(Job.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(Job.seq < before)
    return list(session.scalars(query))


def is_due(moment: datetime) -> ColumnElement[bool]:
    """Of jobs that may be started now: they are queued, and wait for no later moment."""
    waits_no_longer = or_(Job.retry_at.is_(None), Job.retry_at <= moment)
    return and_(Job.state == State.QUEUED, waits_no_longer)


def list_misdated(session: Session, moment: datetime) -> list[int]:
    """Jobs, by `seq`, whose pause ends later than any pause of theirs that began by now: a clock
    was ahead, or was set back since."""
    columns = (Job.seq, Job.retry_at, Job.lost_attempts, Job.spec)
    query = select(*columns).where(Job.state == State.QUEUED, Job.retry_at > moment)
    misdated = []
    for seq, retry_at, lost_attempts, spec in session.execute(query):
        pause = compute_pause(lost_attempts, spec.get("backoff_seconds", FIRST_SECONDS))
        if retry_at > moment + pause:
            misdated.append(seq)
    return misdated


def list_overdue(session: Session, moment: datetime) -> list[str]:
    """Ids of jobs that have not ended by their deadline, and were not told so yet."""
    query = select(Job.id).where(Job.state.in_(_EXPIRABLE), Job.deadline <= moment)
    return list(session.scalars(query))


def list_active(session: Session) -> list[str]:
    """Ids of jobs with an attempt that the reconciler watches, oldest first."""
    query = select(Job.id).where(Job.state.in_(ACTIVE)).order_by(Job.seq)
    return list(session.scalars(query))


def count_active_by_key(session: Session) -> Counter[str | None]:
    """How many jobs of each API key are active; None: of keys that were not recorded."""
    states = [state.value for state in ACTIVE]
    query = (
        select(Job.api_key_id, func.count()).where(Job.state.in_(states)).group_by(Job.api_key_id)
    )
    counts: Counter[str | None] = Counter()
    for key_id, count in session.execute(query):
        counts[key_id] = count
    return counts


def list_remaining_seconds(session: Session) -> list[float | None]:
    """Of every active job, the newest estimate of the time that it will still take."""
    states = [state.value for state in ACTIVE]
    return list(session.scalars(select(Job.eta_seconds).where(Job.state.in_(states))))


def list_recent_durations(session: Session, n_jobs: int) -> list[float]:
    """Seconds from start to end of the jobs that succeeded last."""
    query = (
        select(Job.started_at, Job.ended_at)
        .where(Job.state == State.SUCCEEDED)
        .order_by(Job.seq.desc())
        .limit(n_jobs)
    )
    durations = []
    for started_at, ended_at in session.execute(query):
        if started_at and ended_at:
            durations.append((ended_at - started_at).total_seconds())
    return durations


def list_events(session: Session, job_id: str, *, after: int, limit: int) -> list[Event]:
    """Of one job, those with higher ids than `after`, in order."""
    query = (
        select(Event)
        .where(Event.job_id == job_id, Event.id > after)
        .order_by(Event.id)
        .limit(limit)
    )
    return list(session.scalars(query))


def list_attempts(session: Session, job_id: str) -> list[Attempt]:
    """Of one job, oldest first."""
    query = select(Attempt).where(Attempt.job_id == job_id).order_by(Attempt.number)
    return list(session.scalars(query))


def read_log_page(
    session: Session, job_id: str, *, after: int, max_bytes: int = LOG_PAGE_BYTES
) -> tuple[bytes, int | None]:
    """The log from byte `after` on, at least one chunk of it if there is one, and the attempt that
    wrote its end."""
    first = (
        select(func.max(LogChunk.start))
        .where(LogChunk.job_id == job_id, LogChunk.start <= after)
        .scalar_subquery()
    )
    end = after + max_bytes
    query = (
        select(LogChunk)
        .where(LogChunk.job_id == job_id, LogChunk.start >= first, LogChunk.start < end)
        .order_by(LogChunk.start)
    )
    chunks = list(session.scalars(query))
    if not chunks:
        return b"", None
    data = b"".join(chunk.data for chunk in chunks)
    skipped = after - chunks[0].start
    return data[skipped:], chunks[-1].attempt

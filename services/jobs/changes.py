"""The only hands that change a job's rows: each function keeps state, times, events and attempt consistent.

Everything takes the caller's session, so that a change and what must go with it are one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.database.base import now
from services.jobs.lifecycle import ENDED, State, Trigger, next_state
from services.jobs.tables import Attempt, Event, Job


def locked_job(session: Session, job_id: str) -> Job | None:
    """The job, locked until the transaction ends."""
    return session.scalar(select(Job).where(Job.id == job_id).with_for_update())


def append_event(
    session: Session,
    job: Job,
    kind: str,
    data: Mapping[str, Any],
    time: datetime | None = None,
) -> Event:
    """The job's next event; the job must be locked, which is what keeps the ids free of gaps."""
    job.last_event_id += 1
    event = Event(
        job_id=job.id, id=job.last_event_id, type=kind, time=time or now(), attempt=job.attempt, data=dict(data)
    )
    session.add(event)
    return event


def apply(session: Session, job: Job, trigger: Trigger) -> bool:
    """Take the transition and record it as events; returns whether the state changed.

    Raises:
        ImpossibleTransition: nothing was changed.
    """
    old, new = State(job.state), next_state(State(job.state), trigger)
    if new is old:
        return False
    job.state = new
    append_event(session, job, "job.state", {"from": old, "to": new})
    if new is State.RUNNING and job.started_at is None:
        job.started_at = now()
    if new not in (State.RUNNING, State.PAUSING, State.CANCELLING):
        job.eta_seconds = None
    if new in ENDED:
        job.ended_at = now()
        append_event(session, job, "job.ended", {"state": new})
    return True


def begin_attempt(session: Session, job: Job) -> Attempt:
    """Take the job from the queue: its next attempt, not yet submitted."""
    job.attempt += 1
    attempt = Attempt(job_id=job.id, number=job.attempt, state="starting", created_at=now(), event_files=0, log_bytes=0)
    session.add(attempt)
    apply(session, job, Trigger.START)
    return attempt


def mark_running(session: Session, job: Job, attempt: Attempt) -> None:
    """The attempt's driver works."""
    if attempt.state == "starting":
        attempt.state, attempt.started_at = "running", now()
    apply(session, job, Trigger.RUN)


def end_attempt(
    session: Session, job: Job, attempt: Attempt, trigger: Trigger, error: Mapping[str, Any] | None = None
) -> None:
    """The attempt's last word, and what it means for the job."""
    attempt.state = {Trigger.SUCCEED: "succeeded", Trigger.STOP: "stopped"}.get(trigger, "failed")
    attempt.ended_at, attempt.error = now(), dict(error) if error else None
    if trigger is Trigger.SUCCEED:
        job.progress = 1.0
    apply(session, job, trigger)
    job.error = dict(error) if error and job.state == State.FAILED else None

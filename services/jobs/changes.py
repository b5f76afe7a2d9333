"""The only hands that change a job's rows: each function keeps state, times, events and attempt consistent.

Everything takes the caller's session, so that a change and what must go with it are one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.database.base import now
from services.jobs.lifecycle import ENDED, State, Trigger, next_state
from services.jobs.retries import Losses, delay
from services.jobs.tables import Attempt, Event, Job

_ATTEMPT_STATES: Final[Mapping[Trigger, str]] = {
    Trigger.SUCCEED: "succeeded",
    Trigger.FAIL: "failed",
    Trigger.STOP: "stopped",
    Trigger.LOSE: "lost",
    Trigger.GIVE_UP: "lost",
}


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
    job.state, job.retry_at = new, None
    append_event(session, job, "job.state", {"from": old, "to": new})
    if trigger is Trigger.RESUME:
        job.lost_attempts = 0
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
    attempt.state = _ATTEMPT_STATES[trigger]
    attempt.ended_at, attempt.error = now(), dict(error) if error else None
    if trigger is Trigger.SUCCEED:
        job.progress = 1.0
    if attempt.state == "lost":
        losses = Losses.of(job).after_another(job.progress)
        job.lost_attempts, job.lost_progress = losses.in_a_row, losses.furthest
    apply(session, job, trigger)
    job.error = dict(error) if error and job.state == State.FAILED else None
    if attempt.state == "lost" and job.state == State.QUEUED:
        _await_retry(session, job, error)


def _await_retry(session: Session, job: Job, error: Mapping[str, Any] | None) -> None:
    """The job is in the queue again, but not to be started at once."""
    job.retry_at = now() + delay(job.lost_attempts)
    reason = str((error or {}).get("message", "")).partition("\n")[0]
    data = {"attempt": job.attempt + 1, "reason": reason, "retry_at": job.retry_at.isoformat()}
    append_event(session, job, "job.retry", data)

"""The only hands that change a job's rows: each function keeps state, times, events and attempt
consistent.

Everything takes the caller's session, so that a change and what must go with it are one
transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from services.database.base import now
from services.jobs import queries
from services.jobs.lifecycle import ACTIVE, ENDED, TRANSITIONS, State, Trigger, next_state
from services.jobs.retries import FIRST_SECONDS, Losses, compute_pause
from services.jobs.tables import Attempt, Event, Job
from services.webhooks.deliveries import add_delivery

_ATTEMPT_STATES: Final[Mapping[Trigger, str]] = {
    Trigger.SUCCEED: "succeeded",
    Trigger.FAIL: "failed",
    Trigger.STOP: "stopped",
    Trigger.HOLD: "stopped",
    Trigger.LOSE: "lost",
    Trigger.GIVE_UP: "lost",
    Trigger.FALTER: "failed",
}
_UNLUCKY: Final = frozenset({Trigger.LOSE, Trigger.GIVE_UP, Trigger.FALTER})
"""Ends of attempts that are counted, and after which another may follow."""

ROOM_PAUSE: Final = timedelta(minutes=1)
"""Time before a job whose attempt found no room looks for it again."""
_WORKING: Final = ACTIVE - {State.STARTING}
"""States in which the newest estimate of the time left still means something."""


def lock_job(session: Session, job_id: str) -> Job | None:
    """The job, locked until the transaction ends."""
    return queries.find_job(session, job_id, lock=True)


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
        job_id=job.id,
        id=job.last_event_id,
        type=kind,
        time=time or now(),
        attempt=job.attempt,
        data=dict(data),
    )
    session.add(event)
    return event


def apply_trigger(
    session: Session,
    job: Job,
    trigger: Trigger,
    actor: str | None = None,
    reason: str | None = None,
) -> bool:
    """Take the transition and record it as events; returns whether the state changed.

    Args:
        actor: who asked for it; None: nobody, it came about.
        reason: why a job is to wait.

    Raises:
        ImpossibleTransition: nothing was changed.
    """
    old = State(job.state)
    new = next_state(old, trigger)
    if new is old:
        return False
    job.state = new
    job.retry_at = None
    job.waiting_reason = reason if new is State.WAITING else None
    data = {"from": old, "to": new, "actor": actor, "reason": job.waiting_reason}
    said = {name: value for name, value in data.items() if value is not None}
    append_event(session, job, "job.state", said)
    _note_trigger(job, trigger)
    _note_state(job, new)
    if trigger is Trigger.EXPIRE and new is State.FAILED:
        job.error = _deadline_error(job)
    if new in ENDED:
        append_event(session, job, "job.ended", {"state": new})
        if job.webhook is not None:
            add_delivery(session, job, job.webhook)
    return True


def _note_trigger(job: Job, trigger: Trigger) -> None:
    """What people ask for begins the count of losses again; what leaves an end, the job's end
    too."""
    if trigger in (Trigger.RESUME, Trigger.RETRY, Trigger.EXTEND):
        job.lost_attempts = 0
    if trigger in (Trigger.RETRY, Trigger.EXTEND):
        job.ended_at = None
        job.error = None


def _note_state(job: Job, state: State) -> None:
    """When the job came into a state, and what is no longer known in it."""
    if state is State.RUNNING and job.started_at is None:
        job.started_at = now()
    if state not in _WORKING:
        job.eta_seconds = None
    if state in ENDED:
        job.ended_at = now()


def apply_trigger_if_possible(session: Session, job: Job, trigger: Trigger) -> None:
    """The same for what came too late where the job has moved on meanwhile."""
    if trigger in TRANSITIONS[State(job.state)]:
        apply_trigger(session, job, trigger)


def begin_attempt(session: Session, job: Job) -> Attempt:
    """Take the job from the queue: its next attempt, not yet submitted."""
    job.attempt += 1
    attempt = Attempt(
        job_id=job.id,
        number=job.attempt,
        state="starting",
        created_at=now(),
        event_files=0,
        log_bytes=0,
    )
    session.add(attempt)
    apply_trigger(session, job, Trigger.START)
    return attempt


def record_submission(job: Job, attempt: Attempt, run_id: str) -> None:
    """The executor has the attempt, whose driver works in this run."""
    job.run_id = run_id
    attempt.submitted_at = now()


def record_stop_request(attempt: Attempt) -> None:
    """The attempt's process was asked to stop."""
    attempt.stop_requested_at = now()


def mark_running(session: Session, job: Job, attempt: Attempt) -> None:
    """The attempt's driver works."""
    if attempt.state == "starting":
        attempt.state = "running"
        attempt.started_at = now()
    apply_trigger(session, job, Trigger.RUN)


def end_attempt(
    session: Session,
    job: Job,
    attempt: Attempt,
    trigger: Trigger,
    error: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    """The attempt's last word, and what it means for the job.

    Args:
        reason: why the job is to wait.
    """
    stored_error = dict(error) if error else None
    attempt.state = _ATTEMPT_STATES[trigger]
    attempt.ended_at = now()
    attempt.error = stored_error
    if trigger is Trigger.SUCCEED:
        job.progress = 1.0
    if trigger in _UNLUCKY:
        losses = Losses.of_job(job).after_another(job.progress)
        job.lost_attempts = losses.in_a_row
        job.lost_progress = losses.furthest

    state = State(job.state)
    if next_state(state, trigger) is State.FAILED:  # before its end is told
        job.error = _deadline_error(job) if state is State.EXPIRING else stored_error
    apply_trigger(session, job, trigger, reason=reason)
    if job.state == State.WAITING:
        job.retry_at = now() + ROOM_PAUSE
    if trigger in _UNLUCKY and job.state == State.QUEUED:
        _await_retry(session, job, error)


def _deadline_error(job: Job) -> dict[str, Any]:
    moment = job.deadline.isoformat() if job.deadline else "which was taken back"
    message = f"the job had not ended at its deadline, {moment}; its newest checkpoint is kept"
    return {"type": "DeadlineExceeded", "message": message}


def _await_retry(session: Session, job: Job, error: Mapping[str, Any] | None) -> None:
    """The job is in the queue again, but not to be started at once."""
    first_seconds = job.spec.get("backoff_seconds", FIRST_SECONDS)
    job.retry_at = now() + compute_pause(job.lost_attempts, first_seconds)
    message = str(error.get("message", "")) if error else ""
    data = {
        "attempt": job.attempt + 1,
        "reason": message.partition("\n")[0],
        "retry_at": job.retry_at.isoformat(),
    }
    append_event(session, job, "job.retry", data)

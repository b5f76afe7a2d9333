"""The problems that calls about jobs tell of, each with its words in one place."""

from __future__ import annotations

from datetime import datetime

from services.jobs.lifecycle import ImpossibleTransition, State
from services.problems import Conflict, Forbidden, NotFound


def job_not_found(job_id: str) -> NotFound:
    return NotFound(f"There is no job {job_id[:100]!r}.")


def no_result(job_id: str) -> NotFound:
    return NotFound(f"The job {job_id!r} has no result, or none yet.")


def no_result_file(job_id: str, path: str) -> NotFound:
    return NotFound(f"The result of the job {job_id[:100]!r} has no file {path[:200]!r}.")


def impossible_transition(error: ImpossibleTransition) -> Conflict:
    return Conflict(f"{str(error).capitalize()}.", state=error.state)


def deadline_passed(state: State, deadline: datetime) -> Conflict:
    return Conflict(
        f"The job's deadline, {deadline.isoformat()}, has passed: "
        "give it another (PATCH), or none, and retry then.",
        state=state,
    )


def not_ended(state: State) -> Conflict:
    return Conflict(f"A job that is {state} cannot be deleted: cancel it first.", state=state)


def not_yours(job_id: str) -> Forbidden:
    return Forbidden(
        f"The job {job_id!r} was submitted with another API key: "
        "deleting it needs the scope 'admin'."
    )

"""The problems that calls about jobs tell of, each with its words in one place."""

from __future__ import annotations

from collections.abc import Sequence

from services.jobs.lifecycle import ImpossibleTransition
from services.problems import Conflict, FieldError, IdempotencyMismatch, NotFound, Validation


def job_not_found(job_id: str) -> NotFound:
    return NotFound(f"There is no job {job_id[:100]!r}.")


def no_result(job_id: str) -> NotFound:
    return NotFound(f"The job {job_id!r} has no result, or none yet.")


def no_result_file(job_id: str, path: str) -> NotFound:
    return NotFound(f"The result of the job {job_id[:100]!r} has no file {path[:200]!r}.")


def conflict(impossible: ImpossibleTransition) -> Conflict:
    return Conflict(f"{str(impossible).capitalize()}.", state=impossible.state)


def idempotency_mismatch() -> IdempotencyMismatch:
    return IdempotencyMismatch("This Idempotency-Key was used before with another body.")


def invalid(errors: Sequence[FieldError]) -> Validation:
    return Validation("; ".join(f"{error.field}: {error.message}" for error in errors[:3]), errors=errors[:50])

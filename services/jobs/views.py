"""From rows of jobs to what clients see of them: with their places in the queue, and when they may
expect to start."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from services.container import Container
from services.jobs import errors, queries, queue, schemas
from services.jobs.tables import Job


def answers(services: Container, session: Session, jobs: Sequence[Job]) -> list[schemas.JobAnswer]:
    """The jobs on the wire, in the same order."""
    session.flush()
    places = queries.queue_positions(session, jobs)
    waits = queue.expected_starts(session, places, queue.Limits.of(services.settings))
    return [
        schemas.JobAnswer.model_validate(job).model_copy(
            update={"queue_position": places.get(job.id), "starts_in_seconds": waits.get(job.id)}
        )
        for job in jobs
    ]


def answer(services: Container, session: Session, job: Job) -> schemas.JobAnswer:
    return answers(services, session, [job])[0]


def require(session: Session, job_id: str) -> Job:
    """
    Raises:
        NotFound: there is no such job.
    """
    job = queries.job(session, job_id)
    if job is None:
        raise errors.job_not_found(job_id)
    return job

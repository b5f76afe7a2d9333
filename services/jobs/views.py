"""From rows of jobs to what clients see of them: with their places in the queue, and when they may
expect to start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from services.container import Container
from services.jobs import errors, queries, queue, schemas, waiting_times
from services.jobs.tables import Job
from services.oidc.people import find_full_names
from services.projects.quotas import load_blocks


def make_answers(
    services: Container, session: Session, jobs: Sequence[Job]
) -> list[schemas.JobAnswer]:
    """The jobs on the wire, in the same order."""
    session.flush()
    is_fair = services.settings.queue_order == "fair"
    positions = queue.find_positions(session, jobs, is_fair=is_fair)
    n_slots = services.settings.max_running_jobs
    waits = waiting_times.estimate_starts(session, positions, n_slots)
    blocks = load_blocks(session, {job.project for job in jobs if job.id in positions})
    full_names = find_full_names(session, [job.actor for job in jobs])
    answers = []
    for job in jobs:
        place: dict[str, Any] = {
            "queue_position": positions.get(job.id),
            "starts_in_seconds": waits.get(job.id),
            "actor_full_name": full_names.get(job.actor),
        }
        if job.id in positions and job.waiting_reason is None:
            place["waiting_reason"] = blocks.get(job.project)
        answers.append(schemas.JobAnswer.model_validate(job).model_copy(update=place))
    return answers


def make_answer(services: Container, session: Session, job: Job) -> schemas.JobAnswer:
    """One job on the wire."""
    return make_answers(services, session, [job])[0]


def require_job(session: Session, job_id: str) -> Job:
    """
    Raises:
        NotFound: there is no such job.
    """
    job = queries.find_job(session, job_id)
    if job is None:
        raise errors.job_not_found(job_id)
    return job

"""What clients do to jobs that are there: pause, resume, cancel, retry, edit, delete.

Each is one transaction, together with the claim of its idempotency key. What is impossible in the
present state is a 409 that names it.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from services.auth.scopes import Principal
from services.container import Container
from services.database.base import now
from services.idempotency.service import Post, hash_body
from services.jobs import changes, errors, schemas, service, views
from services.jobs.deadlines import check_deadline
from services.jobs.lifecycle import ENDED, ImpossibleTransition, State, Trigger
from services.jobs.merge_patch import apply_merge_patch
from services.jobs.removal import delete_runs
from services.jobs.tables import Job
from services.problems import invalid
from services.projects.opening import check_open
from services.projects.quotas import check_queue


def trigger_job(
    services: Container, job_id: str, trigger: Trigger, post: Post
) -> tuple[schemas.JobAnswer, bool]:
    """Ask for a pause, a resumption, a cancellation or a retry; the job, and whether it was this
    call that asked.

    Raises:
        Problem: 404; 409 with the present state where it does not allow that.
    """

    def change(session: Session) -> schemas.JobAnswer:
        job = _lock_job(session, job_id)
        if trigger in (Trigger.RESUME, Trigger.RETRY):
            check_queue(session, check_open(session, job.project))
        state = State(job.state)
        try:
            changes.apply_trigger(session, job, trigger, post.principal.name)
        except ImpossibleTransition as error:
            raise errors.impossible_transition(error) from error
        if trigger is Trigger.RETRY and job.deadline is not None and job.deadline <= now():
            raise errors.deadline_passed(state, job.deadline)
        return views.make_answer(services, session, job)

    outcome = post.run_once(services.database, hash_body(), job_id, change)
    answer = outcome.result or service.show_job(services, outcome.resource)
    return answer, outcome.result is not None


def edit_job(services: Container, job_id: str, request: schemas.EditRequest) -> schemas.JobAnswer:
    """Change what may change at any time; what the request leaves out stays."""
    with services.database.write() as session:
        job = _lock_job(session, job_id)
        if "name" in request.model_fields_set:
            job.name = request.name
        if "priority" in request.model_fields_set:
            job.priority = request.priority
        if "deadline" in request.model_fields_set:
            check_deadline(request.deadline)
            job.deadline = request.deadline
        labels = apply_merge_patch(job.labels, request.labels)
        _check_labels(labels)
        job.labels = labels
        return views.make_answer(services, session, job)


def delete_job(services: Container, job_id: str, principal: Principal) -> None:
    """Delete an ended job with all that it left, but for versions of Θ, which stay.

    The run goes first: should the process end in between, the job is still there to be deleted
    again.

    Raises:
        Problem: 404; 409 while it has not ended; 403 for the job of another key, without the scope
            admin.
    """
    with services.database.write() as session:
        job = _lock_job(session, job_id)
        if "admin" not in principal.scopes and job.api_key_id != principal.key_id:
            raise errors.not_yours(job_id)
        if State(job.state) not in ENDED:
            raise errors.not_ended(State(job.state))
        if job.run_id is not None:
            delete_runs(services.registry, job.run_id)
        session.delete(job)


def _lock_job(session: Session, job_id: str) -> Job:
    """
    Raises:
        NotFound: there is no such job.
    """
    job = changes.lock_job(session, job_id)
    if job is None:
        raise errors.job_not_found(job_id)
    return job


def _check_labels(labels: dict[str, str]) -> None:
    """
    Raises:
        Problem: 422; they are too many.
    """
    most = schemas.MAX_LABELS
    if len(labels) > most:
        raise invalid("labels", f"a job has at most {most} labels, these would be {len(labels)}")

"""What clients do to jobs: submit, clone, pause, resume, cancel, retry, edit, delete.

Each is one transaction, together with the claim of its idempotency key. What is impossible in the
present state is a 409 that names it.
"""

from __future__ import annotations

import secrets
from base64 import b32encode
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from meta_trainer.specs.rates import spec_of_today
from meta_trainer.studies.ledger import list_trial_runs
from services.auth.scopes import Principal
from services.container import Container
from services.database.base import now
from services.idempotency.service import Post, hash_body
from services.jobs import changes, errors, schemas, service, views
from services.jobs.continuation import pin_continuation
from services.jobs.lifecycle import ENDED, ImpossibleTransition, State, Trigger
from services.jobs.merge_patch import merged
from services.jobs.promotion import check_promotion
from services.jobs.specs import AnyJobSpec, complete_spec
from services.jobs.tables import Job
from services.problems import invalid

LONGEST_DEADLINE: Final = timedelta(days=3650)


def submit(
    services: Container, request: schemas.JobRequest, post: Post
) -> tuple[schemas.JobAnswer, bool]:
    """The job, and whether this call made it (False: the key was used before, with the same body).

    Raises:
        Problem: 422 for a wrong spec, or for a key that was used with another body.
    """
    return _create(services, request, post, hash_body(request))


def clone(
    services: Container, job_id: str, changes_: schemas.CloneRequest, post: Post
) -> tuple[schemas.JobAnswer, bool]:
    """A new job like another one but for what is to be different, and whether this call made it.

    Raises:
        Problem: 404; 422 as for a submission.
    """
    original = service.show(services, job_id)
    if "preset" in changes_.spec:
        raise invalid(
            "spec.preset",
            "a clone begins from the spec of its original: take the preset's fields one by one",
        )
    request = schemas.JobRequest(
        kind=original.kind,
        name=original.name if changes_.name is None else changes_.name,
        labels=original.labels if changes_.labels is None else changes_.labels,
        priority=original.priority if changes_.priority is None else changes_.priority,
        deadline=changes_.deadline,
        spec=merged(
            spec_of_today(original.kind, original.spec),
            spec_of_today(original.kind, changes_.spec),
        ),
    )
    return _create(services, request, post, hash_body(changes_), cloned_from=job_id)


def act(
    services: Container, job_id: str, trigger: Trigger, post: Post
) -> tuple[schemas.JobAnswer, bool]:
    """Ask for a pause, a resumption, a cancellation or a retry; the job, and whether it was this
    call that asked.

    Raises:
        Problem: 404; 409 with the present state where it does not allow that.
    """

    def change(session: Session) -> schemas.JobAnswer:
        job = _locked(session, job_id)
        before = State(job.state)
        try:
            changes.apply(session, job, trigger)
        except ImpossibleTransition as impossible:
            raise errors.conflict(impossible) from impossible
        if trigger is Trigger.RETRY and job.deadline is not None and job.deadline <= now():
            raise errors.deadline_passed(before, job.deadline)
        return views.answer(services, session, job)

    outcome = post.run_once(services.database, hash_body(), job_id, change)
    answer = outcome.result or service.show(services, outcome.resource)
    return answer, outcome.result is not None


def edit(services: Container, job_id: str, request: schemas.EditRequest) -> schemas.JobAnswer:
    """Change what may change at any time; what the request leaves out stays."""
    with services.database.write() as session:
        job = _locked(session, job_id)
        if "name" in request.model_fields_set:
            job.name = request.name
        if "priority" in request.model_fields_set:
            job.priority = request.priority
        if "deadline" in request.model_fields_set:
            job.deadline = _checked_deadline(request.deadline)
        job.labels = _checked_labels(merged(job.labels, request.labels))
        return views.answer(services, session, job)


def delete(services: Container, job_id: str, principal: Principal) -> None:
    """Delete an ended job with all that it left, but for versions of Θ, which stay.

    The run goes first: should the process end in between, the job is still there to be deleted
    again.

    Raises:
        Problem: 404; 409 while it has not ended; 403 for the job of another key, without the scope
            admin.
    """
    with services.database.write() as session:
        job = _locked(session, job_id)
        if "admin" not in principal.scopes and job.api_key_id != principal.key_id:
            raise errors.not_yours(job_id)
        if State(job.state) not in ENDED:
            raise errors.not_ended(State(job.state))
        if job.run_id is not None:
            for run_id in (*list_trial_runs(services.registry, job.run_id), job.run_id):
                services.registry.delete_run(run_id)
        session.delete(job)


def _create(
    services: Container,
    request: schemas.JobRequest,
    post: Post,
    body_sha256: str,
    cloned_from: str | None = None,
) -> tuple[schemas.JobAnswer, bool]:
    if (earlier := post.find_earlier(services.database, body_sha256)) is not None:
        return service.show(services, earlier), False
    deadline = _checked_deadline(request.deadline)
    complete = complete_spec(request.kind, request.spec, services.registry)
    spec = pin_continuation(services, complete)
    check_promotion(spec, post.principal, services.registry)

    def insert(session: Session) -> schemas.JobAnswer:
        job = _new_job(job_id, request, spec, deadline, post.principal, cloned_from)
        session.add(job)
        return views.answer(services, session, job)

    job_id = f"job_{b32encode(secrets.token_bytes(10)).decode().lower()}"
    outcome = post.run_once(services.database, body_sha256, job_id, insert)
    answer = outcome.result or service.show(services, outcome.resource)
    return answer, outcome.result is not None


def _new_job(
    job_id: str,
    request: schemas.JobRequest,
    spec: AnyJobSpec,
    deadline: datetime | None,
    principal: Principal,
    cloned_from: str | None,
) -> Job:
    return Job(
        id=job_id,
        kind=request.kind,
        name=request.name,
        labels=dict(request.labels),
        spec=spec.model_dump(mode="json"),
        state=State.QUEUED,
        actor=principal.name,
        api_key_id=principal.key_id,
        created_at=now(),
        priority=request.priority,
        deadline=deadline,
        cloned_from=cloned_from,
        attempt=0,
        progress=0.0,
        last_event_id=0,
        log_bytes=0,
    )


def _locked(session: Session, job_id: str) -> Job:
    job = changes.lock_job(session, job_id)
    if job is None:
        raise errors.job_not_found(job_id)
    return job


def _checked_deadline(deadline: datetime | None) -> datetime | None:
    if deadline is not None and not now() < deadline <= now() + LONGEST_DEADLINE:
        raise invalid(
            "deadline", f"must be in the future, and at most {LONGEST_DEADLINE.days} days ahead"
        )
    return deadline


def _checked_labels(labels: dict[str, str]) -> dict[str, str]:
    if len(labels) > schemas.MAX_LABELS:
        raise invalid(
            "labels", f"a job has at most {schemas.MAX_LABELS} labels, these would be {len(labels)}"
        )
    return labels

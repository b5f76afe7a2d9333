"""New jobs: submitted, or cloned from another.

The job is written in one transaction with the claim of its idempotency key.
"""

from __future__ import annotations

import secrets
from base64 import b32encode

from sqlalchemy.orm import Session

from meta_trainer.specs.problems import FieldProblem
from meta_trainer.specs.rates import spec_of_today
from meta_trainer.tasks.needs import check_networks
from services.auth.scopes import Principal
from services.container import Container
from services.database.base import now
from services.database.facts import read_nodes
from services.datasets.catalog import check_data, read_forms
from services.datasets.pinning import pin_datasets, touch_datasets
from services.idempotency.service import Post, hash_body
from services.jobs import schemas, service, views
from services.jobs.bare import describe_bare, lay_under
from services.jobs.continuation import pin_continuation
from services.jobs.deadlines import check_deadline
from services.jobs.lifecycle import State
from services.jobs.merge_patch import apply_merge_patch
from services.jobs.needs import describe_shortage
from services.jobs.promotion import check_promotion
from services.jobs.specs import AnyJobSpec, complete_spec
from services.jobs.tables import Job
from services.jobs.toys import describe_toy, find_name, name_toys
from services.optimizers.owners import check_owner, claim_name
from services.problems import invalid
from services.projects.cores import count_cores_of_job
from services.projects.opening import check_open
from services.projects.quotas import check_cores, check_queue
from services.studies.warm_start import check_warm_start
from services.webhooks.hosts import ForbiddenTarget, Hosts, parse_target


def submit_job(
    services: Container, request: schemas.JobRequest, post: Post
) -> tuple[schemas.JobAnswer, bool]:
    """The job, and whether this call made it (False: the key was used before, with the same body).

    Raises:
        Problem: 422 for a wrong spec, or for a key that was used with another body.
    """
    return _create_job(services, request, post, hash_body(request))


def clone_job(
    services: Container, job_id: str, request: schemas.CloneRequest, post: Post
) -> tuple[schemas.JobAnswer, bool]:
    """A new job like another one but for what is to be different, and whether this call made it.

    Raises:
        Problem: 404; 422 as for a submission.
    """
    whole_request = make_clone(services, job_id, request)
    return _create_job(services, whole_request, post, hash_body(request), cloned_from=job_id)


def make_clone(
    services: Container, job_id: str, request: schemas.CloneRequest
) -> schemas.JobRequest:
    """What a submission of such a clone would have to say.

    Raises:
        Problem: 404; 422 where the changes name a preset.
    """
    original = service.show_job(services, job_id)
    original_spec = spec_of_today(original.kind, original.spec)
    changes = spec_of_today(original.kind, request.spec)
    if "preset" in request.spec:
        raise invalid(
            "spec.preset",
            "a clone begins from the spec of its original: take the preset's fields one by one",
        )
    return schemas.JobRequest(
        kind=original.kind,
        name=original.name if request.name is None else request.name,
        labels=original.labels if request.labels is None else request.labels,
        priority=original.priority if request.priority is None else request.priority,
        deadline=request.deadline,
        spec=apply_merge_patch(original_spec, changes),
    )


def _create_job(
    services: Container,
    request: schemas.JobRequest,
    post: Post,
    body_sha256: str,
    cloned_from: str | None = None,
) -> tuple[schemas.JobAnswer, bool]:
    earlier = post.find_earlier(services.database, body_sha256)
    if earlier is not None:
        return _add_notes(service.show_job(services, earlier), request), False
    spec = check_request(services, request, post.principal)
    name = find_name(spec)
    if name is not None:
        claim_name(services.database, services.registry, name, post.principal)
    job_id = _draw_id()

    def insert(session: Session) -> schemas.JobAnswer:
        project = check_open(session, post.principal.project)
        check_queue(session, project)
        touch_datasets(session, spec)
        job = make_row(job_id, request, spec, post.principal, cloned_from)
        job.n_cores = count_cores_of_job(services.settings, spec, project, read_forms(session))
        check_cores(project, job.n_cores)
        session.add(job)
        return views.make_answer(services, session, job)

    outcome = post.run_once(services.database, body_sha256, job_id, insert)
    answer = outcome.result or service.show_job(services, outcome.resource)
    return _add_notes(answer, request), outcome.result is not None


def check_request(
    services: Container, request: schemas.JobRequest, principal: Principal
) -> AnyJobSpec:
    """The complete spec of a job that may be submitted.

    Raises:
        Problem: 422 naming the fields that are wrong, or 403.
    """
    check_deadline(request.deadline)
    content = lay_under(request.kind, request.spec)
    complete = complete_spec(request.kind, content, services.see_versions(principal))
    named = name_toys(pin_datasets(services.database, complete, principal), principal.project)
    pinned = pin_continuation(services, named, principal)
    check_warm_start(services, pinned, principal)
    name = find_name(pinned)
    if name is not None:  # before anything is told of the name's aliases
        check_owner(services.database, services.registry, name, principal)
    spec = check_promotion(pinned, principal, services.registry)
    _check_needs(services, request.kind, spec)
    check_webhook(services, request.webhook)
    check_data(spec, services.settings)
    _check_learners(services, spec)
    return spec


def _check_learners(services: Container, spec: AnyJobSpec) -> None:
    """
    Raises:
        Problem: 422; a network that it describes does not fit together, or a learner cannot be
            trained on the dataset that it is given.
    """
    with services.database.read() as session:
        forms = read_forms(session)
    try:
        check_networks(spec, forms)
    except FieldProblem as problem:
        raise invalid(f"spec.{problem.field}", problem.message) from problem


def _add_notes(job: schemas.JobAnswer, request: schemas.JobRequest) -> schemas.JobAnswer:
    notes = describe_bare(request.kind, request.spec)
    return job.model_copy(update={"notes": [*notes, *describe_toy(job.spec, job.project)]})


def _check_needs(services: Container, kind: str, spec: AnyJobSpec) -> None:
    """
    Raises:
        Problem: 422; no node could ever hold it, and none can be added.
    """
    with services.database.read() as session:
        nodes = read_nodes(session)
    shortage = describe_shortage(kind, spec.model_dump(mode="json"), nodes)
    if shortage is not None:
        raise invalid("spec.resources", shortage)


def check_webhook(services: Container, url: str | None) -> None:
    """
    Raises:
        Problem: 422; it is no URL, or of no host that the operator allows.
    """
    if url is None:
        return
    hosts = Hosts.from_texts(services.settings.webhook_hosts, services.settings.webhook_networks)
    try:
        hosts.check(parse_target(url))
    except ForbiddenTarget as error:
        raise invalid("webhook", str(error)) from error


def _draw_id() -> str:
    return f"job_{b32encode(secrets.token_bytes(10)).decode().lower()}"


def make_row(
    job_id: str,
    request: schemas.JobRequest,
    spec: AnyJobSpec,
    principal: Principal,
    cloned_from: str | None,
) -> Job:
    """The row of a new job, which waits in the queue."""
    return Job(
        id=job_id,
        kind=request.kind,
        name=request.name,
        labels=dict(request.labels),
        spec=spec.model_dump(mode="json"),
        state=State.QUEUED,
        actor=principal.name,
        api_key_id=principal.key_id,
        project=principal.project,
        created_at=now(),
        priority=request.priority,
        deadline=request.deadline,
        webhook=request.webhook,
        cloned_from=cloned_from,
        attempt=0,
        progress=0.0,
        last_event_id=0,
        log_bytes=0,
    )

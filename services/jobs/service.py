"""Use cases of jobs: what the endpoints call. Each opens its own transactions and answers with wire models."""

from __future__ import annotations

import codecs
import hashlib
import json
import math
import re
import secrets
from base64 import b32encode
from collections.abc import Sequence
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from registry.contract import ArtifactNotFound, MetricPoint
from services.auth.scopes import Principal
from services.container import Container
from services.database.base import now
from services.jobs import changes, errors, queries, schemas
from services.jobs.lifecycle import ImpossibleTransition, State, Trigger
from services.jobs.specs import complete_spec
from services.jobs.tables import IdempotencyKey, Job

RESULT_TYPES: Final = {
    "json": "application/json",
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "png": "image/png",
    "safetensors": "application/octet-stream",
}
"""Media types by suffix of the result's files that are served."""

_RESULT_PATH: Final = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,99}/){0,8}[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.([a-z]+)")
_CHECKPOINT: Final = re.compile(r"checkpoints/(\d+)\.safetensors")


def submit(
    services: Container, request: schemas.JobRequest, principal: Principal, key: str | None
) -> tuple[schemas.JobAnswer, bool]:
    """The job, and whether this call made it (False: the key was used before, with the same body).

    Raises:
        Problem: 422 for a wrong spec, or for a key that was used with another body.
    """
    digest = _digest(request)
    if key is not None and (earlier := _earlier(services, principal, key, digest)):
        return earlier, False
    spec = complete_spec(request.kind, request.spec, services.registry)
    try:
        with services.database.write() as session:
            job = _insert(session, request, spec, principal.name)
            if key is not None:
                session.flush()
                session.add(_key_row(principal, key, digest, job))
                session.flush()
            return _answer(session, job), True
    except IntegrityError:  # another request with this key was faster
        if key is None or (earlier := _earlier(services, principal, key, digest)) is None:
            raise
        return earlier, False


def _digest(request: schemas.JobRequest) -> str:
    return hashlib.sha256(json.dumps(request.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


def _earlier(services: Container, principal: Principal, key: str, digest: str) -> schemas.JobAnswer | None:
    with services.database.read() as session:
        row = session.get(IdempotencyKey, (principal.key_id, key))
        if row is None:
            return None
        if row.body_sha256 != digest:
            raise errors.idempotency_mismatch()
        return _answer(session, _require(session, row.job_id))


def _key_row(principal: Principal, key: str, digest: str, job: Job) -> IdempotencyKey:
    return IdempotencyKey(
        key_id=principal.key_id, key=key, body_sha256=digest, job_id=job.id, created_at=job.created_at
    )


def _insert(session: Session, request: schemas.JobRequest, spec: dict[str, object], actor: str) -> Job:
    job = Job(
        id=f"job_{b32encode(secrets.token_bytes(10)).decode().lower()}",
        kind=request.kind,
        name=request.name,
        labels=dict(request.labels),
        spec=spec,
        state=State.QUEUED,
        actor=actor,
        created_at=now(),
        attempt=0,
        progress=0.0,
        last_event_id=0,
        log_bytes=0,
    )
    session.add(job)
    return job


def show(services: Container, job_id: str) -> schemas.JobAnswer:
    with services.database.read() as session:
        return _answer(session, _require(session, job_id))


def listing(
    services: Container,
    *,
    kinds: Sequence[str],
    states: Sequence[str],
    labels: Sequence[str],
    cursor: int | None,
    limit: int,
) -> schemas.JobList:
    pairs = [(name, value) for name, _, value in (label.partition(":") for label in labels)]
    with services.database.read() as session:
        rows = queries.jobs(session, kinds=kinds, states=states, labels=pairs, before=cursor, limit=limit + 1)
        page, positions = rows[:limit], queries.queue_positions(session, rows[:limit])
        items = [_to_wire(job, positions.get(job.id)) for job in page]
    return schemas.JobList(items=items, next_cursor=str(page[-1].seq) if len(rows) > limit else None)


def act(services: Container, job_id: str, trigger: Trigger) -> schemas.JobAnswer:
    """Ask for a pause, a resumption or a cancellation.

    Raises:
        Problem: 404; 409 with the present state where it does not allow that.
    """
    with services.database.write() as session:
        job = changes.locked_job(session, job_id)
        if job is None:
            raise errors.job_not_found(job_id)
        try:
            changes.apply(session, job, trigger)
        except ImpossibleTransition as impossible:
            raise errors.conflict(impossible) from impossible
        return _answer(session, job)


def events(services: Container, job_id: str, *, after: int, limit: int) -> schemas.EventList:
    with services.database.read() as session:
        _require(session, job_id)
        rows = queries.events(session, job_id, after=after, limit=limit + 1)
        items = [schemas.EventAnswer.model_validate(row) for row in rows[:limit]]
    return schemas.EventList(items=items, next_cursor=str(items[-1].id) if len(rows) > limit else None)


def metric_names(services: Container, job_id: str) -> schemas.MetricNames:
    run_id = show(services, job_id).run_id
    return schemas.MetricNames(names=services.registry.metric_names(run_id) if run_id else [])


def metrics(services: Container, job_id: str, name: str, *, after_step: int, limit: int) -> schemas.MetricList:
    run_id = show(services, job_id).run_id
    points = services.registry.metrics(run_id, name, after_step=after_step, limit=limit + 1) if run_id else []
    items = [_metric(point) for point in points[:limit]]
    return schemas.MetricList(items=items, next_cursor=str(items[-1].step) if len(points) > limit else None)


def _metric(point: MetricPoint) -> schemas.MetricAnswer:
    value = point.value if math.isfinite(point.value) else None
    return schemas.MetricAnswer(step=point.step, value=value, time=point.time)


def log(services: Container, job_id: str, *, after: int) -> schemas.LogAnswer:
    """A page of the log. A character that is still incomplete at its end is left for the next page."""
    with services.database.read() as session:
        job = _require(session, job_id)
        data, attempt = queries.log_page(session, job_id, after=after)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data)
    left = len(decoder.getstate()[0])
    return schemas.LogAnswer(text=text, next=after + len(data) - left, attempt=attempt or job.attempt)


def whole_log(services: Container, job_id: str) -> bytes:
    with services.database.read() as session:
        job = _require(session, job_id)
        return queries.log_page(session, job_id, after=0, max_bytes=job.log_bytes + 1)[0]


def attempts(services: Container, job_id: str) -> schemas.AttemptList:
    with services.database.read() as session:
        _require(session, job_id)
        rows = queries.attempts(session, job_id)
    return schemas.AttemptList(items=[schemas.AttemptAnswer.model_validate(row) for row in rows])


def checkpoints(services: Container, job_id: str) -> schemas.CheckpointList:
    run_id = show(services, job_id).run_id
    files = services.registry.list_artifacts(run_id, "checkpoints") if run_id else []
    found = [(_CHECKPOINT.fullmatch(file.path), file.size_bytes) for file in files]
    items = [schemas.CheckpointAnswer(update=int(match[1]), size_bytes=size) for match, size in found if match]
    return schemas.CheckpointList(items=items)


def result(services: Container, job_id: str) -> schemas.ResultAnswer:
    """
    Raises:
        Problem: 404 while there is none.
    """
    run_id = show(services, job_id).run_id
    try:
        if run_id is None:
            raise errors.no_result(job_id)
        content = json.loads(services.registry.get_artifact(run_id, "result/result.json"))
    except ArtifactNotFound as error:
        raise errors.no_result(job_id) from error
    files = [
        schemas.ArtifactAnswer(path=file.path.removeprefix("result/"), size_bytes=file.size_bytes)
        for file in services.registry.list_artifacts(run_id, "result")
    ]
    return schemas.ResultAnswer(**{**content, "artifacts": files})


def result_file(services: Container, job_id: str, path: str) -> tuple[bytes, str]:
    """One file of the result, and its media type."""
    run_id, match = show(services, job_id).run_id, _RESULT_PATH.fullmatch(path)
    if run_id is None or match is None or ".." in path or match[1] not in RESULT_TYPES:
        raise errors.no_result_file(job_id, path)
    try:
        return services.registry.get_artifact(run_id, f"result/{path}"), RESULT_TYPES[match[1]]
    except ArtifactNotFound as error:
        raise errors.no_result_file(job_id, path) from error


def _require(session: Session, job_id: str) -> Job:
    job = queries.job(session, job_id)
    if job is None:
        raise errors.job_not_found(job_id)
    return job


def _answer(session: Session, job: Job) -> schemas.JobAnswer:
    session.flush()
    return _to_wire(job, queries.queue_positions(session, [job]).get(job.id))


def _to_wire(job: Job, queue_position: int | None) -> schemas.JobAnswer:
    return schemas.JobAnswer.model_validate(job).model_copy(update={"queue_position": queue_position})

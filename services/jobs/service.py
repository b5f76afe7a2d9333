"""Reads of jobs: what the endpoints call. Each opens its own transaction and answers with wire
models."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Sequence
from typing import Final

from registry import ArtifactNotFound, MetricPoint
from services.container import Container
from services.jobs import errors, queries, schemas, thinning, views
from services.jobs.continuation import CHECKPOINT_PATH

RESULT_TYPES: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "png": "image/png",
    "safetensors": "application/octet-stream",
}
"""Media types by suffix of the result's files that are served."""

_RESULT_PATH: Final = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,99}/){0,8}[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.([a-z]+)"
)


def show(services: Container, job_id: str) -> schemas.JobAnswer:
    with services.database.read() as session:
        return views.answer(services, session, views.require(session, job_id))


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
        rows = queries.jobs(
            session, kinds=kinds, states=states, labels=pairs, before=cursor, limit=limit + 1
        )
        items = views.answers(services, session, rows[:limit])
    return schemas.JobList(
        items=items, next_cursor=str(rows[limit - 1].seq) if len(rows) > limit else None
    )


def events(services: Container, job_id: str, *, after: int, limit: int) -> schemas.EventList:
    with services.database.read() as session:
        views.require(session, job_id)
        rows = queries.events(session, job_id, after=after, limit=limit + 1)
        items = [schemas.EventAnswer.model_validate(row) for row in rows[:limit]]
    return schemas.EventList(
        items=items, next_cursor=str(items[-1].id) if len(rows) > limit else None
    )


def metric_names(services: Container, job_id: str) -> schemas.MetricNames:
    run_id = show(services, job_id).run_id
    return schemas.MetricNames(names=services.registry.metric_names(run_id) if run_id else [])


def metrics(
    services: Container, job_id: str, name: str, *, after_step: int, limit: int
) -> schemas.MetricList:
    """A page of a series."""
    run_id = show(services, job_id).run_id
    points = (
        services.registry.metrics(run_id, name, after_step=after_step, limit=limit + 1)
        if run_id
        else []
    )
    items = [_metric(point) for point in points[:limit]]
    return schemas.MetricList(
        items=items, next_cursor=str(items[-1].step) if len(points) > limit else None
    )


def thinned_metrics(
    services: Container, job_id: str, name: str, *, after_step: int, n_points: int
) -> schemas.MetricList:
    """The shape of a whole series in at most `n_points` of its points."""
    run_id = show(services, job_id).run_id
    points = services.registry.metrics(run_id, name, after_step=after_step) if run_id else []
    return schemas.MetricList(
        items=[_metric(point) for point in thinning.thinned(points, n_points)], next_cursor=None
    )


def _metric(point: MetricPoint) -> schemas.MetricAnswer:
    value = point.value if math.isfinite(point.value) else None
    return schemas.MetricAnswer(step=point.step, value=value, time=point.time)


def log(services: Container, job_id: str, *, after: int) -> schemas.LogAnswer:
    """A page of the log. A character that is still incomplete at its end is left for the next
    page."""
    with services.database.read() as session:
        job = views.require(session, job_id)
        data, attempt = queries.log_page(session, job_id, after=after)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data)
    left = len(decoder.getstate()[0])
    return schemas.LogAnswer(
        text=text, next=after + len(data) - left, attempt=attempt or job.attempt
    )


def whole_log(services: Container, job_id: str) -> bytes:
    with services.database.read() as session:
        job = views.require(session, job_id)
        return queries.log_page(session, job_id, after=0, max_bytes=job.log_bytes + 1)[0]


def attempts(services: Container, job_id: str) -> schemas.AttemptList:
    with services.database.read() as session:
        views.require(session, job_id)
        rows = queries.attempts(session, job_id)
    return schemas.AttemptList(items=[schemas.AttemptAnswer.model_validate(row) for row in rows])


def checkpoints(services: Container, job_id: str) -> schemas.CheckpointList:
    run_id = show(services, job_id).run_id
    files = services.registry.list_artifacts(run_id, "checkpoints") if run_id else []
    found = [(CHECKPOINT_PATH.fullmatch(file.path), file.size_bytes) for file in files]
    items = [
        schemas.CheckpointAnswer(update=int(match[1]), size_bytes=size)
        for match, size in found
        if match
    ]
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

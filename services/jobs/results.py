"""Reads of what lies in a job's run: metrics, checkpoints, the result and its files."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Final

from registry import ArtifactNotFound, MetricPoint
from services.container import Container
from services.jobs import errors, schemas, service, thinning
from services.jobs.continuation import CHECKPOINT_PATH
from services.pages import cut_page

RESULT_TYPES: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "tex": "text/plain; charset=utf-8",
    "safetensors": "application/octet-stream",
}
"""Media types by suffix of the result's files that are served."""

_RESULT_PATH: Final = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,99}/){0,8}[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.([a-z]+)"
)


def list_metric_names(services: Container, job_id: str) -> schemas.MetricNames:
    """The names of a job's series."""
    run_id = _find_run(services, job_id)
    names = services.registry.metric_names(run_id) if run_id else []
    return schemas.MetricNames(names=names)


def list_metrics(
    services: Container, job_id: str, name: str, *, after_step: int, limit: int
) -> schemas.MetricList:
    """A page of a series."""
    points = _read_points(services, job_id, name, after_step=after_step, limit=limit + 1)
    items = [_make_answer(point) for point in points[:limit]]
    has_more = len(points) > limit
    return schemas.MetricList(
        items=items,
        next_cursor=str(items[-1].step) if has_more else None,
    )


def thin_metrics(
    services: Container, job_id: str, name: str, *, after_step: int, n_points: int
) -> schemas.MetricList:
    """The shape of a whole series in at most `n_points` of its points."""
    points = _read_points(services, job_id, name, after_step=after_step)
    chosen = thinning.thin_points(points, n_points)
    items = [_make_answer(point) for point in chosen]
    return schemas.MetricList(items=items, next_cursor=None)


def _find_run(services: Container, job_id: str) -> str | None:
    """The job's run; None while there is none."""
    return service.show_job(services, job_id).run_id


def _read_points(
    services: Container, job_id: str, name: str, *, after_step: int, limit: int | None = None
) -> Sequence[MetricPoint]:
    run_id = _find_run(services, job_id)
    if run_id is None:
        return []
    return services.registry.metrics(run_id, name, after_step=after_step, limit=limit)


def _make_answer(point: MetricPoint) -> schemas.MetricAnswer:
    return schemas.MetricAnswer(
        step=point.step,
        value=point.value if math.isfinite(point.value) else None,
        time=point.time,
    )


def list_checkpoints(
    services: Container, job_id: str, *, cursor: str | None, limit: int
) -> schemas.CheckpointList:
    """A page of the checkpoints that a job keeps."""
    run_id = _find_run(services, job_id)
    files = services.registry.list_artifacts(run_id, "checkpoints") if run_id else []
    items = []
    for file in files:
        match = CHECKPOINT_PATH.fullmatch(file.path)
        if match is None:
            continue
        update = int(match[1])
        items.append(schemas.CheckpointAnswer(update=update, size_bytes=file.size_bytes))
    page = cut_page(items, cursor, limit)
    return schemas.CheckpointList(items=list(page.items), next_cursor=page.next_cursor)


def read_result(services: Container, job_id: str) -> schemas.ResultAnswer:
    """`result.json`, with the list of the result's other files.

    Raises:
        Problem: 404 while there is none.
    """
    run_id = _find_run(services, job_id)
    if run_id is None:
        raise errors.no_result(job_id)
    try:
        content = services.registry.get_artifact(run_id, "result/result.json")
    except ArtifactNotFound as error:
        raise errors.no_result(job_id) from error

    artifacts = []
    for file in services.registry.list_artifacts(run_id, "result"):
        path = file.path.removeprefix("result/")
        artifacts.append(schemas.ArtifactAnswer(path=path, size_bytes=file.size_bytes))
    return schemas.ResultAnswer(**{**json.loads(content), "artifacts": artifacts})


def read_result_file(services: Container, job_id: str, path: str) -> tuple[bytes, str]:
    """One file of the result, and its media type.

    Raises:
        Problem: 404 where there is none, or none that is served.
    """
    run_id = _find_run(services, job_id)
    media_type = _media_type(path)
    if run_id is None or media_type is None:
        raise errors.no_result_file(job_id, path)
    try:
        return services.registry.get_artifact(run_id, f"result/{path}"), media_type
    except ArtifactNotFound as error:
        raise errors.no_result_file(job_id, path) from error


def _media_type(path: str) -> str | None:
    """What a file of the result is served as; None: it is not served."""
    match = _RESULT_PATH.fullmatch(path)
    if match is None or ".." in path:
        return None
    return RESULT_TYPES.get(match[1])

"""Where a version comes from and what was measured of it, read from what the registry keeps. Pure.

A manifest is only as true as its maker: of an uploaded Θ, everything here is what the uploader
says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.contract import Evaluation, Version
from services.optimizers.schemas import ContinuedFrom, LineageAnswer


def lineage_of(version: Version, job_id: str | None) -> LineageAnswer:
    """The version's origin; `job_id` is the job whose run made it."""
    made = provenance_of(version)
    parent = _texts(made.get("parent"))
    return LineageAnswer(
        source="upload" if version.run_id is None else "job",
        job_id=job_id,
        parent=parent.get("version"),
        parent_sha256=parent.get("sha256"),
        continued_from=_continued_from(made.get("continued_from")),
        datasets=_texts(made.get("datasets")),
        code=_texts(made.get("code")),
    )


def metrics_of(version: Version) -> dict[str, float | None]:
    """What training measured, and the means of the newest evaluation of each suite as `suite/task`.

    Quick evaluations do not count. None: not finite.
    """
    measured = provenance_of(version).get("metrics")
    metrics = {
        name: _number(value)
        for name, value in _mapping(measured).items()
        if _is_number_or_none(value)
    }
    for evaluation in version.evaluations:  # oldest first: the newest stays
        settings = settings_of(evaluation)
        if not settings.get("quick"):
            for task, told in tasks_of(evaluation).items():
                metrics[f"{settings.get('suite')}/{task}"] = _number(told.get("mean"))
    return metrics


def provenance_of(version: Version) -> Mapping[str, Any]:
    return _mapping(version.manifest.get("provenance"))


def settings_of(evaluation: Evaluation) -> Mapping[str, Any]:
    """What says whether two evaluations may be compared."""
    return _mapping(evaluation.summary.get("settings"))


def tasks_of(evaluation: Evaluation) -> dict[str, Mapping[str, Any]]:
    """Task → what the evaluation says of it."""
    return {
        task: _mapping(told) for task, told in _mapping(evaluation.summary.get("tasks")).items()
    }


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _continued_from(value: object) -> ContinuedFrom | None:
    job, update = (_mapping(value).get(name) for name in ("job", "update"))
    if not isinstance(job, str) or not isinstance(update, int) or isinstance(update, bool):
        return None
    return ContinuedFrom(job_id=job, update=update)


def _texts(value: object) -> dict[str, str]:
    return {name: text for name, text in _mapping(value).items() if isinstance(text, str)}


def _is_number_or_none(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

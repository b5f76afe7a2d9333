"""Where a version comes from and what was measured of it, read from what the registry keeps.

Pure functions. A manifest is only as true as its maker: of an uploaded Θ, everything here is what
the uploader says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry import Evaluation, Version
from services.optimizers.schemas import ContinuedFrom, LineageAnswer


def describe_lineage(version: Version, job_id: str | None) -> LineageAnswer:
    """The version's origin; `job_id` is the job whose run made it."""
    provenance = read_provenance(version)
    parent, parent_sha256 = read_parent(version)
    return LineageAnswer(
        source="upload" if version.run_id is None else "job",
        job_id=job_id,
        parent=parent,
        parent_sha256=parent_sha256,
        continued_from=_read_continued_from(provenance.get("continued_from")),
        datasets=_select_texts(provenance.get("datasets")),
        code=_select_texts(provenance.get("code")),
        kernel=_as_text(provenance.get("kernel")),
    )


def read_metrics(version: Version) -> dict[str, float | None]:
    """What training measured, and the means of the newest evaluation of each suite as `suite/task`.

    Quick evaluations do not count. None: not finite.
    """
    metrics = _read_training_metrics(version)
    for evaluation in version.evaluations:  # oldest first: the newest stays
        settings = read_settings(evaluation)
        if settings.get("quick"):
            continue

        suite = settings.get("suite")
        for task, summary in read_tasks(evaluation).items():
            metrics[f"{suite}/{task}"] = _as_number(summary.get("mean"))
    return metrics


def read_provenance(version: Version) -> Mapping[str, Any]:
    """How the version came about, as its manifest says."""
    return _as_mapping(version.manifest.get("provenance"))


def read_parent(version: Version) -> tuple[str | None, str | None]:
    """What the version was trained from: `name@number` and digest; None where it does not say."""
    parent = _select_texts(read_provenance(version).get("parent"))
    return parent.get("version"), parent.get("sha256")


def read_settings(evaluation: Evaluation) -> Mapping[str, Any]:
    """What says whether two evaluations may be compared."""
    return _as_mapping(evaluation.summary.get("settings"))


def read_tasks(evaluation: Evaluation) -> dict[str, Mapping[str, Any]]:
    """Task → what the evaluation says of it."""
    summaries = _as_mapping(evaluation.summary.get("tasks"))
    return {task: _as_mapping(summary) for task, summary in summaries.items()}


def _read_training_metrics(version: Version) -> dict[str, float | None]:
    values = _as_mapping(read_provenance(version).get("metrics"))
    return {
        name: _as_number(value)
        for name, value in values.items()
        if value is None or _is_number(value)
    }


def _read_continued_from(value: object) -> ContinuedFrom | None:
    checkpoint = _as_mapping(value)
    job = checkpoint.get("job")
    update = checkpoint.get("update")
    if not isinstance(job, str):
        return None
    if not isinstance(update, int) or isinstance(update, bool):
        return None
    return ContinuedFrom(job_id=job, update=update)


def _select_texts(value: object) -> dict[str, str]:
    return {name: text for name, text in _as_mapping(value).items() if isinstance(text, str)}


def _as_text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _as_mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _as_number(value: Any) -> float | None:
    """The value as a float; None where it is no number, or one that no float holds."""
    if not _is_number(value):
        return None
    try:
        return float(value)
    except OverflowError:
        return None

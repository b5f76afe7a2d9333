"""Two versions side by side: where their specs and lineages differ, and what was measured of both.

Pure functions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from hyperadam.rates import KNOBS

from registry import Evaluation, Version
from services.optimizers.lineage import (
    read_metrics,
    read_provenance,
    read_settings,
    read_tasks,
)
from services.optimizers.schemas import (
    Difference,
    EvaluationComparison,
    MetricComparison,
    TaskComparison,
)

_LINEAGE_FIELDS: Final = ("parent", "continued_from", "datasets", "code", "kernel")


def compare_specs(left: Version, right: Version) -> list[Difference]:
    """Fields of the specs that the versions were trained by.

    Of a Θ without a spec, its rule and its rate are compared.
    """
    return _list_differences(_read_spec(left), _read_spec(right))


def compare_lineages(left: Version, right: Version) -> list[Difference]:
    """Parent, continued job, data and code."""
    return _list_differences(_read_lineage(left), _read_lineage(right))


def compare_metrics(left: Version, right: Version) -> list[MetricComparison]:
    """What training measured of either; null where it measured nothing."""
    left_metrics = _read_training_metrics(left)
    right_metrics = _read_training_metrics(right)
    return [
        MetricComparison(metric=name, left=left_metrics.get(name), right=right_metrics.get(name))
        for name in sorted(left_metrics.keys() | right_metrics.keys())
    ]


def compare_evaluations(left: Version, right: Version) -> list[EvaluationComparison]:
    """The newest evaluations of both, by their settings.

    The same settings mean the same starts and minibatches.
    """
    left_newest = _select_newest(left.evaluations)
    right_newest = _select_newest(right.evaluations)
    return [
        _compare_tasks(left_newest.get(settings), right_newest.get(settings))
        for settings in dict.fromkeys([*left_newest, *right_newest])
    ]


def _read_spec(version: Version) -> Mapping[str, Any]:
    manifest = version.manifest
    rate = {"lr": manifest.get("lr"), **{name: manifest.get(name, 0) for name in KNOBS}}
    spec = {"rule": manifest.get("rule"), **rate}

    trained_by = read_provenance(version).get("spec")
    if isinstance(trained_by, Mapping):
        spec |= trained_by
    return spec


def _read_lineage(version: Version) -> Mapping[str, Any]:
    provenance = read_provenance(version)
    return {name: provenance.get(name) for name in _LINEAGE_FIELDS}


def _read_training_metrics(version: Version) -> dict[str, float | None]:
    """Without the means of evaluations, whose names have a slash."""
    metrics = read_metrics(version)
    return {name: value for name, value in metrics.items() if "/" not in name}


def _list_differences(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[Difference]:
    left_leaves = dict(_list_leaves(left))
    right_leaves = dict(_list_leaves(right))

    differences = []
    for field in sorted(left_leaves.keys() | right_leaves.keys()):
        left_value = left_leaves.get(field)
        right_value = right_leaves.get(field)
        if left_value != right_value:
            differences.append(Difference(field=field, left=left_value, right=right_value))
    return differences


def _list_leaves(document: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path → value, of everything that is no object; a list is one value."""
    for name, value in document.items():
        if isinstance(value, Mapping) and value:
            yield from _list_leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _select_newest(evaluations: Iterable[Evaluation]) -> dict[str, Evaluation]:
    """Settings → the newest evaluation with them; the evaluations come oldest first."""
    return {
        json.dumps(read_settings(evaluation), sort_keys=True): evaluation
        for evaluation in evaluations
    }


def _compare_tasks(left: Evaluation | None, right: Evaluation | None) -> EvaluationComparison:
    left_tasks = {} if left is None else read_tasks(left)
    right_tasks = {} if right is None else read_tasks(right)
    either = left or right
    return EvaluationComparison(
        settings=dict(read_settings(either)) if either else {},
        left_job_id=left.job_id if left else None,
        right_job_id=right.job_id if right else None,
        tasks=[
            TaskComparison(
                task=task,
                left=_copy_summary(left_tasks.get(task)),
                right=_copy_summary(right_tasks.get(task)),
            )
            for task in dict.fromkeys([*left_tasks, *right_tasks])
        ],
    )


def _copy_summary(summary: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if summary is None else dict(summary)

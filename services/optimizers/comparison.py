"""Two versions side by side: where their specs and lineages differ, and what was measured of both.
Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from hyperadam.rates import SCHEDULE

from registry.contract import Evaluation, Version
from services.optimizers.lineage import metrics_of, provenance_of, settings_of, tasks_of
from services.optimizers.schemas import (
    Difference,
    EvaluationComparison,
    MetricComparison,
    TaskComparison,
)

_LINEAGE: Final = ("parent", "continued_from", "datasets", "code")


def spec_differences(left: Version, right: Version) -> list[Difference]:
    """Fields of the specs that the versions were trained by, the rule and the rate of a Θ without
    one included."""
    return _differences(_spec(left), _spec(right))


def lineage_differences(left: Version, right: Version) -> list[Difference]:
    """Parent, continued job, data and code."""
    return _differences(
        *({name: provenance_of(one).get(name) for name in _LINEAGE} for one in (left, right))
    )


def metrics(left: Version, right: Version) -> list[MetricComparison]:
    """What training measured of either; null where it measured nothing."""
    told = [
        {name: value for name, value in metrics_of(one).items() if "/" not in name}
        for one in (left, right)
    ]
    names = sorted(told[0].keys() | told[1].keys())
    return [
        MetricComparison(metric=name, left=told[0].get(name), right=told[1].get(name))
        for name in names
    ]


def evaluations(left: Version, right: Version) -> list[EvaluationComparison]:
    """The newest evaluations of both, by their settings: the same settings mean the same starts and
    minibatches."""
    mine, other = _newest(left.evaluations), _newest(right.evaluations)
    return [_beside(mine.get(key), other.get(key)) for key in dict.fromkeys([*mine, *other])]


def _spec(version: Version) -> Mapping[str, Any]:
    trained_by = provenance_of(version).get("spec")
    manifest = version.manifest
    rate = {"lr": manifest.get("lr"), **{name: manifest.get(name, 0) for name in SCHEDULE}}
    own = {"rule": manifest.get("rule"), **rate}
    return {**own, **trained_by} if isinstance(trained_by, Mapping) else own


def _differences(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[Difference]:
    mine, other = dict(_leaves(left)), dict(_leaves(right))
    return [
        Difference(field=field, left=mine.get(field), right=other.get(field))
        for field in sorted(mine.keys() | other.keys())
        if mine.get(field) != other.get(field)
    ]


def _leaves(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path → value, of everything that is no object; a list is one value."""
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _leaves(inner, f"{path}{name}.")
        else:
            yield f"{path}{name}", inner


def _newest(told: Iterable[Evaluation]) -> dict[str, Evaluation]:
    return {json.dumps(settings_of(one), sort_keys=True): one for one in told}


def _beside(left: Evaluation | None, right: Evaluation | None) -> EvaluationComparison:
    tasks = [{} if one is None else tasks_of(one) for one in (left, right)]
    one = left or right
    return EvaluationComparison(
        settings=dict(settings_of(one)) if one else {},
        left_job_id=left.job_id if left else None,
        right_job_id=right.job_id if right else None,
        tasks=[
            TaskComparison(
                task=task, left=_told(tasks[0].get(task)), right=_told(tasks[1].get(task))
            )
            for task in dict.fromkeys([*tasks[0], *tasks[1]])
        ],
    )


def _told(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if told is None else dict(told)

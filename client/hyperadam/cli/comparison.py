"""Two versions side by side, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hyperadam.cli.render import format_number, format_time, make_table

if TYPE_CHECKING:
    from hyperadam.api import (
        Comparison,
        Difference,
        EvaluationComparison,
        MetricComparison,
        Version,
    )
    from hyperadam.cli.tables import FittedTable


def make_comparison_tables(comparison: Comparison) -> Iterator[FittedTable]:
    """What both are, where they differ, and what was measured; a part without anything to show is
    left out."""
    sides = (str(comparison.left), str(comparison.right))
    yield _make_about_table(comparison, sides)
    if comparison.spec:
        yield _make_difference_table("spec", comparison.spec, sides)
    if comparison.lineage:
        yield _make_difference_table("lineage", comparison.lineage, sides)
    if comparison.metrics:
        yield _make_metric_table(comparison.metrics, sides)
    for evaluation in comparison.evaluations:
        yield _make_evaluation_table(evaluation, sides)


def _make_about_table(comparison: Comparison, sides: tuple[str, str]) -> FittedTable:
    left = _describe_version(comparison.left)
    right = _describe_version(comparison.right)
    table = make_table("", *sides)
    for name in left:
        table.add_row(name, left[name], right[name])
    return table


def _describe_version(version: Version) -> dict[str, str]:
    return {
        "created (UTC)": format_time(version.created_at),
        "aliases": ", ".join(version.aliases),
        "tags": ", ".join(f"{name}={value}" for name, value in sorted(version.tags.items())),
        "description": version.description,
        "job": version.job_id or "",
        "sha256": version.sha256[:12],
    }


def _make_difference_table(
    title: str, differences: Sequence[Difference], sides: tuple[str, str]
) -> FittedTable:
    table = make_table("field", *sides, title=f"{title}: what differs")
    for difference in differences:
        left = _format_value(difference.left)
        right = _format_value(difference.right)
        table.add_row(difference.field, left, right)
    return table


def _make_metric_table(metrics: Sequence[MetricComparison], sides: tuple[str, str]) -> FittedTable:
    table = make_table("metric", *sides, title="metrics")
    for metric in metrics:
        table.add_row(metric.metric, format_number(metric.left), format_number(metric.right))
    return table


def _make_evaluation_table(evaluation: EvaluationComparison, sides: tuple[str, str]) -> FittedTable:
    settings = evaluation.settings
    quick = " (quick)" if settings.get("quick") else ""
    starts = f"{settings.get('n_starts')} starts"
    steps = f"{settings.get('horizon')} steps on {settings.get('dataset')}"
    title = f"{settings.get('suite')}{quick}: {settings.get('measure')}, {starts}, {steps}"
    table = make_table("task", *sides, title=title)
    for task in evaluation.tasks:
        table.add_row(task.task, _format_losses(task.left), _format_losses(task.right))
    return table


def _format_losses(losses: Mapping[str, Any] | None) -> str:
    if losses is None:
        return "–"
    mean = losses.get("mean")
    if mean is None:
        return "diverged"
    return f"{format_number(mean)} ± {format_number(losses.get('stderr'))}"


def _format_value(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

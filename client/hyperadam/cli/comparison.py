"""Two versions side by side, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hyperadam.cli.render import format_number, format_time, make_table

if TYPE_CHECKING:
    from rich.table import Table

    from hyperadam.api import Comparison, Difference, EvaluationComparison, Version


def comparison_tables(comparison: Comparison) -> Iterator[Table]:
    """What both are, where they differ, and what was measured; a part without anything to show is
    left out."""
    sides = str(comparison.left), str(comparison.right)
    about = make_table("", *sides)
    for name, left, right in zip(
        _ABOUT, _about(comparison.left), _about(comparison.right), strict=True
    ):
        about.add_row(name, left, right)
    yield about
    for title, differences in (("spec", comparison.spec), ("lineage", comparison.lineage)):
        if differences:
            yield _differences(title, differences, sides)
    if comparison.metrics:
        table = make_table("metric", *sides, title="metrics")
        for one in comparison.metrics:
            table.add_row(one.metric, format_number(one.left), format_number(one.right))
        yield table
    yield from (_evaluation(one, sides) for one in comparison.evaluations)


_ABOUT = ("created (UTC)", "aliases", "tags", "description", "job", "sha256")


def _about(version: Version) -> tuple[str, ...]:
    tags = ", ".join(f"{name}={value}" for name, value in sorted(version.tags.items()))
    created, aliases = format_time(version.created_at), ", ".join(version.aliases)
    return created, aliases, tags, version.description, version.job_id or "", version.sha256[:12]


def _differences(title: str, differences: Sequence[Difference], sides: tuple[str, str]) -> Table:
    table = make_table("field", *sides, title=f"{title}: what differs")
    for one in differences:
        table.add_row(one.field, _value(one.left), _value(one.right))
    return table


def _evaluation(one: EvaluationComparison, sides: tuple[str, str]) -> Table:
    settings = one.settings
    quick = " (quick)" if settings.get("quick") else ""
    facts = f"{settings.get('n_starts')} starts, {settings.get('horizon')} steps on {settings.get('dataset')}"
    table = make_table(
        "task", *sides, title=f"{settings.get('suite')}{quick}: {settings.get('measure')}, {facts}"
    )
    for task in one.tasks:
        table.add_row(task.task, _measure(task.left), _measure(task.right))
    return table


def _measure(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "–"
    mean, stderr = told.get("mean"), told.get("stderr")
    return "diverged" if mean is None else f"{format_number(mean)} ± {format_number(stderr)}"


def _value(value: Any) -> str:
    return (
        "–"
        if value is None
        else value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False)
    )

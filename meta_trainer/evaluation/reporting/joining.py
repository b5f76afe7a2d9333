"""A report of learned optimizers with the baselines of another report, of the same starts.

Baselines take most of an evaluation's time, and they are the same beside every Θ: a Θ that comes
later runs alone, and stands beside those that are there. A scheduled baseline keeps the schedule
of the Θ that it was run beside.

Pages and pictures name what they are made of: `field-v4` is the report in the folder of that name,
`field-v4+field` the same with the baselines of `field`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple, Self

from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.reporting.files import RESULTS
from meta_trainer.evaluation.reporting.results import Results, decode_results

_SAME: Final = ("suite", "seed", "n_starts", "dataset", "quick")
"""Fields of specs that decide starts and minibatches."""
_ROUNDED: Final = 1e-3
"""By how much two files may differ in one number."""


class ReportName(NamedTuple):
    """What `OWN` or `OWN+BASELINES` says."""

    own: str
    """The folder of the report."""
    baselines: str
    """The folder of the one whose baselines it has; empty: its own."""

    @classmethod
    def parse(cls, text: str) -> Self:
        own, _, baselines = text.partition("+")
        return cls(own, baselines)

    def __str__(self) -> str:
        """As it was parsed."""
        return f"{self.own}+{self.baselines}" if self.baselines else self.own


def read_named(name: ReportName, folder: Path) -> Results:
    """The report of a name, joined where the name says so.

    Args:
        folder: in which the folders of reports lie.

    Raises:
        OSError: a file cannot be read.
        ValueError: it is not what an evaluation wrote, or the two cannot be joined.
    """
    found = _read(folder / name.own)
    if not name.baselines:
        return found
    try:
        joined = join_baselines(found.report, _read(folder / name.baselines).report)
    except ValueError as error:
        raise ValueError(f"“{name}”: {error}") from error
    return Results(joined, found.origin)


def _read(folder: Path) -> Results:
    return decode_results((folder / RESULTS).read_bytes())


def join_baselines(report: Report, other: Report) -> Report:
    """Every task of a report, with the baselines that the other one has on it.

    Raises:
        ValueError: the report has baselines of its own, or their starts are not the same.
    """
    if any(row.kind == "baseline" for row in report.rows):
        raise ValueError("it has baselines of its own")
    for name in _SAME:
        mine = getattr(report.spec, name)
        theirs = getattr(other.spec, name)
        if mine != theirs:
            raise ValueError(f"{name} must be the same, got {mine!r} and {theirs!r}")
    shared = set(report.tasks) & set(other.tasks)
    if not shared:
        raise ValueError("they have no task in common")

    rows: list[Row] = []
    for task in report.tasks:
        own = report.of_task(task)
        rows += own
        rows += _list_baselines(own[0], other, task)
    return replace(report, rows=rows)


def _list_baselines(own: Row, other: Report, task: str) -> Iterator[Row]:
    first = _read_first_loss(own)
    for row in other.of_task(task):
        if row.kind != "baseline":
            continue
        theirs = _read_first_loss(row)
        if not math.isclose(first, theirs, rel_tol=_ROUNDED):
            raise ValueError(f"{task}: the first losses are {first:g} and {theirs:g}")
        yield row


def _read_first_loss(row: Row) -> float:
    """Before any step: the same for all optimizers."""
    mean = row.summarize_curve().means[0]
    return math.nan if mean is None else mean

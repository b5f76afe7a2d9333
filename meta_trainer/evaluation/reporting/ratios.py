"""How many times another's final loss: tables of a report that has baselines which nobody tunes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from meta_trainer.evaluation.report import Difference, Report, Row, count_verdicts
from meta_trainer.evaluation.reporting.numbers import format_counts, format_ratio
from meta_trainer.evaluation.reporting.table import Table, Text
from meta_trainer.evaluation.statistics import summarize_ratios

_OF_TUNED = "the best tuned baseline"


def tabulate_over_tuned(report: Report) -> Table:
    """A row for each task: of each learned optimizer, and of each baseline at its defaults, the
    final loss over that of the best tuned baseline."""
    names = [*_list_learned(report), *report.untuned_baselines]
    header = ["task", _OF_TUNED, *map(report.label, names)]
    rows = [_tabulate_task(report, task, names) for task in report.tasks]
    return Table("Final losses over the best tuned baseline's", header, rows, "over-tuned")


def tabulate_ratios_over_tasks(report: Report) -> Table:
    """A row for each learned optimizer, what it stands against, and each horizon."""
    header = [
        "optimizer",
        "against",
        "steps",
        "tasks",
        "geometric mean",
        "median",
        "worst",
        "won / tied / lost",
    ]
    rows = [
        _summarize_tasks(report, optimizer, opponent, horizon)
        for optimizer in _list_learned(report)
        for opponent in (_OF_TUNED, *report.untuned_baselines)
        for horizon in _list_horizons(report)
    ]
    return Table("Final losses over others', over all tasks", header, rows, "ratios-over-tasks")


def _list_learned(report: Report) -> list[str]:
    """Learned optimizers, at their own and at tuned rates, and their starts."""
    return list(dict.fromkeys(row.optimizer for row in report.rows if row.kind != "baseline"))


def _list_horizons(report: Report) -> list[int]:
    return sorted({task.horizon for task in report.spec.tasks})


def _tabulate_task(report: Report, task: str, names: Sequence[str]) -> list[Text]:
    best = report.best_baseline(task)
    cells = [Text(task), Text(best.optimizer if best else "–")]
    for row in _list_rows(report, task, names):
        ratio = Difference(row, best).ratio if best else math.nan
        cells.append(Text(format_ratio(ratio), bold=ratio < 1))
    return cells


def _list_rows(report: Report, task: str, names: Sequence[str]) -> list[Row]:
    """Of these optimizers, in this order."""
    rows = {row.optimizer: row for row in report.of_task(task)}
    return [rows[name] for name in names]


def _summarize_tasks(report: Report, optimizer: str, opponent: str, horizon: int) -> list[Text]:
    differences = []
    for task in report.spec.tasks:
        if task.horizon != horizon:
            continue
        rows = {row.optimizer: row for row in report.of_task(task.name)}
        other = report.best_baseline(task.name) if opponent == _OF_TUNED else rows[opponent]
        if other is not None:
            differences.append(Difference(rows[optimizer], other))

    summary = summarize_ratios([difference.ratio for difference in differences])
    cells = [report.label(optimizer), opponent, str(horizon), str(len(differences))]
    cells += map(format_ratio, (summary.geometric_mean, summary.median, summary.worst))
    cells.append(format_counts(count_verdicts(differences)))
    return list(map(Text, cells))

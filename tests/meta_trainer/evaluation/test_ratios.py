"""Final losses over others': a table by task, and what it comes to over all tasks."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hyperadam.rates import Rate

from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.reporting.ratios import (
    tabulate_over_tuned,
    tabulate_ratios_over_tasks,
)
from meta_trainer.evaluation.reporting.table import Table
from meta_trainer.evaluation.reporting.tables import build_tables
from meta_trainer.evaluation.statistics import summarize_ratios
from meta_trainer.evaluation.tuning import Tuned
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import SUITES

TUNED = Tuned(0.1, False, ((0.1, 1.0),))
FINALS: dict[str, dict[str, list[float]]] = {
    "mlp-16": {"a@1": [1, 1], "adam": [2, 2], "adamw-warmup-cosine": [4, 4], "prodigy": [0.5, 0.5]},
    "experts": {
        "a@1": [8, 8.2],
        "adam": [4, 4.1],
        "adamw-warmup-cosine": [1, 1],
        "prodigy": [4, 9],
    },
    "lora": {
        "a@1": [3, math.nan],
        "adam": [3, 3],
        "adamw-warmup-cosine": [4, 4],
        "prodigy": [6, math.nan],
    },
}


def make_row(task: str, optimizer: str, finals: list[float]) -> Row:
    values = torch.tensor(finals, dtype=torch.float64)
    is_learned = optimizer == "a@1"
    return Row(
        task=f"{task}-300",
        optimizer=optimizer,
        kind="learned" if is_learned else "baseline",
        learned="a@1" if is_learned else None,
        rate=Rate(lr=0.1),
        finals=values,
        curves=values[None],
        tuned=TUNED if optimizer.startswith("adam") else None,
    )


def make_report() -> Report:
    fields: dict[str, Any] = {
        "optimizers": ["a@1"],
        "suite": "field",
        "horizon": 300,
        "n_starts": 2,
        "learners": list(FINALS),
    }
    spec = EvaluationSpec.model_validate(fields)
    rows = [
        make_row(task.stream, optimizer, finals)
        for task in spec.tasks
        for optimizer, finals in FINALS[task.stream].items()
    ]
    return Report(spec, SUITES["field"], "made up", "ab" * 32, rows)


def read(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_each_task_has_its_ratio_to_the_best_that_is_tuned() -> None:
    table = tabulate_over_tuned(make_report())
    assert table.header == ["task", "the best tuned baseline", "a@1", "prodigy"]
    assert sorted(read(table)) == [
        ["experts-300", "adamw-warmup-cosine", "8.100", "6.500"],
        ["lora-300", "adam", "diverged", "diverged"],
        ["mlp-16-300", "adam", "0.500", "0.250"],
    ]


def test_over_all_tasks_there_are_mean_median_worst_and_verdicts() -> None:
    rows = read(tabulate_ratios_over_tasks(make_report()))
    to_tuned = ["a@1", "the best tuned baseline", "300", "3"]
    to_prodigy = ["a@1", "prodigy", "300", "3"]
    geometric_mean = (2 * 8.1 / 6.5 * 0.5) ** (1 / 3)
    assert rows == [
        [*to_tuned, "diverged", "8.100", "diverged", "1 / 0 / 2"],
        [*to_prodigy, f"{geometric_mean:.3f}", "1.246", "2.000", "0 / 2 / 1"],
    ]


def test_a_report_without_them_has_no_such_tables() -> None:
    report = make_report()
    names = [table.name for table in build_tables(report)]
    assert names[:3] == ["final-losses", "over-tuned", "ratios-over-tasks"]
    tuned_rows = [row for row in report.rows if row.optimizer != "prodigy"]
    others = Report(report.spec, report.suite, "made up", "ab" * 32, tuned_rows)
    assert not {"over-tuned", "ratios-over-tasks"} & {table.name for table in build_tables(others)}


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ([0.5, 2.0, 4.0], (4 ** (1 / 3), 2.0, 4.0)),
        ([2.0, math.nan], (2.0, 2.0, 2.0)),
        ([0.0, 1.0], (0.0, 0.5, 1.0)),
        ([1.0, math.inf], (math.inf, math.inf, math.inf)),
        ([], (math.nan,) * 3),
    ],
)
def test_ratios_are_summarized(ratios: list[float], expected: tuple[float, ...]) -> None:
    assert tuple(summarize_ratios(ratios)) == pytest.approx(expected, nan_ok=True)

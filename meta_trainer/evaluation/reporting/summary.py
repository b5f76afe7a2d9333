"""A report in short, as a version keeps it: what one optimizer reached on each task, beside the
best baseline."""

from __future__ import annotations

from typing import Any

from meta_trainer.evaluation.report import Report, Row


def summary(report: Report, optimizer: str) -> dict[str, Any]:
    """What the report says of one optimizer, as JSON where None stands for what is not finite.

    The settings, which say what may be compared: summaries with the same ones come from the same
    starts. Then `tasks`: task → `mean` and `stderr` of the measure, `n_diverged`, `test` {loss,
    top1, top2} where there is a test split, and `baseline` {optimizer, mean, difference {mean,
    stderr}}: the best one and how much higher this optimizer is, start by start; None where none
    was run.
    """
    spec = report.spec
    return {
        "settings": {
            "suite": spec.suite,
            "measure": report.suite.measure,
            "quick": spec.quick,
            "dataset": report.dataset,
            "dataset_fingerprint": report.dataset_fingerprint,
            "horizon": spec.horizon,
            "n_starts": spec.n_starts,
            "seed": spec.seed,
        },
        "tasks": {
            row.task: _of_row(report, row) for row in report.rows if row.optimizer == optimizer
        },
    }


def _of_row(report: Report, row: Row) -> dict[str, Any]:
    told = {**row.final.to_json(), "n_diverged": row.n_diverged, "baseline": None}
    if (difference := report.difference(row)) is not None:
        baseline, estimate = difference
        told["baseline"] = {
            "optimizer": baseline.optimizer,
            "mean": baseline.final.to_json()["mean"],
            "difference": estimate.to_json(),
        }
    if row.test_measures:
        told["test"] = {
            name: estimate.to_json()["mean"] for name, estimate in row.test_measures.items()
        }
    return told

"""A report as JSON, the file `result.json`."""

from __future__ import annotations

from typing import Any

from hyperadam.rates import KNOBS
from torch import Tensor

from meta_trainer.evaluation.report import Difference, Report, Row
from meta_trainer.evaluation.statistics import mean_curve, thin_steps, to_finite_list


def report_to_json(report: Report) -> dict[str, Any]:
    """The whole result, where None stands for what is not finite.

    Of each row: `mean`, `stderr` and the single `finals` of what `measure` says; `rate`;
    `n_diverged` of `n_starts`; `best` of its task; `difference` {to, mean, stderr}: its value minus
    that of the best baseline, start by start; `verdict`: whether that is a win, a tie or a loss;
    `gained`: {to, mean, stderr, verdict}, the same to what it was before meta-training; `tuning`:
    the trials behind a tuned rate; `test`: {loss, top1, top2}, each {mean, stderr}, on the test
    split; `ratio`: {mean, stderr} of its time to Adam's. The last four are None where there are
    none; `unknown_starts` says of which learned optimizers the start is not known, and why.

    `curves` gives task → optimizer → mean and stderr of the minibatch loss at `curve_steps`, or,
    for a task that is shorter than the others, at its `task_steps`; `paper` the paper's own
    numbers, where the tasks are its own; `variants` what each version of an ablation has of the
    field that it varies.
    """
    spec = report.spec
    steps = {task: thin_steps(len(report.of_task(task)[0].curves)) for task in report.tasks}
    longest = max(steps.values(), key=_last_step)
    return {
        "suite": report.suite.name,
        "title": report.suite.title,
        "measure": report.suite.measure,
        "quick": spec.quick,
        "dataset": report.dataset,
        "dataset_fingerprint": report.dataset_fingerprint,
        "horizon": spec.horizon,
        "n_starts": spec.n_starts,
        "n_tuning_starts": spec.n_tuning_starts,
        **{name: getattr(spec.rate, name) for name in KNOBS},
        "averaging": spec.averaging,
        "tune_learned": spec.tune_learned,
        "untrained": spec.untrained,
        "unknown_starts": dict(report.unknown_starts),
        "seed": spec.seed,
        "variants": {name: variant.label for name, variant in report.variants.items()},
        "rows": [_row_to_json(report, row) for row in report.rows],
        "paper": _paper_to_json(report),
        "curve_steps": longest.tolist(),
        "task_steps": {task: steps[task].tolist() for task in report.tasks},
        "curves": {task: _curves_to_json(report, task, steps[task]) for task in report.tasks},
    }


def _last_step(steps: Tensor) -> list[int]:
    """Of the steps of a curve, the last; empty where there is none, which is less than any."""
    last: list[int] = steps[-1:].tolist()
    return last


def _row_to_json(report: Report, row: Row) -> dict[str, Any]:
    difference = report.compare_with_best_baseline(row)
    gain = report.compare_with_untrained(row)
    ratio = report.compare_time(row)
    test = {name: value.to_json() for name, value in row.test_measures.items()}
    return {
        "task": row.task,
        "optimizer": row.optimizer,
        "kind": row.kind,
        **row.final.to_json(),
        "rate": row.rate.lr,
        **{name: getattr(row.rate, name) for name in KNOBS},
        "n_diverged": row.n_diverged,
        "n_starts": len(row.finals),
        "best": row is report.best(row.task),
        "finals": to_finite_list(row.finals),
        "difference": _difference_to_json(difference) if difference else None,
        "verdict": difference.verdict if difference else None,
        "gained": _gain_to_json(gain) if gain else None,
        "tuning": row.tuned.to_json() if row.tuned else None,
        "test": test or None,
        "ratio": ratio.to_json() if ratio else None,
    }


def _difference_to_json(difference: Difference) -> dict[str, Any]:
    return {"to": difference.other.optimizer, **difference.paired.to_json()}


def _gain_to_json(gain: Difference) -> dict[str, Any]:
    return {**_difference_to_json(gain), "verdict": gain.verdict}


def _paper_to_json(report: Report) -> dict[str, Any]:
    final_losses = {task: dict(losses) for task, losses in report.paper.items()}
    test = {
        task: {name: published._asdict() for name, published in by_optimizer.items()}
        for task, by_optimizer in report.paper_test.items()
    }
    return {"source": report.suite.paper_source, "final_losses": final_losses, "test": test}


def _curves_to_json(report: Report, task: str, steps: Tensor) -> dict[str, Any]:
    curves = {}
    for row in report.of_task(task):
        mean, stderr = mean_curve(row.curves[steps])
        curves[row.optimizer] = {"mean": mean, "stderr": stderr}
    return curves

"""A report in short, as a version keeps it: what one optimizer reached on each task, beside the
best baseline."""

from __future__ import annotations

from typing import Any

from meta_trainer.evaluation.report import Difference, Report, Row


def summarize_report(report: Report, optimizer: str) -> dict[str, Any]:
    """What the report says of one optimizer, as JSON where None stands for what is not finite.

    The settings, which say what may be compared: summaries with the same ones come from the same
    starts, run in the same way. What is changed of the rate, and `averaging`, are among them where
    the spec has any, so that summaries from before they were have those of a spec without. Then
    `tasks`: task → `mean` and `stderr` of the measure, `n_diverged`, `test` {loss, top1, top2}
    where there is a test split, `baseline` {optimizer, mean, difference {mean, stderr}}: the best
    one and how much higher this optimizer is, start by start, and `verdict`: what that is, win, tie
    or loss; and `gained` {mean, stderr, verdict}: how much higher it is than before its
    meta-training. The last three are None where nothing was run to compare with.
    """
    spec = report.spec
    rows = [row for row in report.rows if row.optimizer == optimizer]
    rate = spec.rate.model_dump(exclude_none=True)
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
            **{f"rate.{knob}": value for knob, value in rate.items()},
            **({"averaging": spec.averaging} if spec.averaging else {}),
        },
        "tasks": {row.task: _summarize_row(report, row) for row in rows},
    }


def _summarize_row(report: Report, row: Row) -> dict[str, Any]:
    difference = report.compare_with_best_baseline(row)
    gain = report.compare_with_untrained(row)
    summary = {
        **row.final.to_json(),
        "n_diverged": row.n_diverged,
        "baseline": _describe_baseline(difference) if difference else None,
        "verdict": difference.verdict if difference else None,
        "gained": {**gain.paired.to_json(), "verdict": gain.verdict} if gain else None,
    }
    if row.test_measures:
        measures = {name: value.to_json() for name, value in row.test_measures.items()}
        summary["test"] = {name: measure["mean"] for name, measure in measures.items()}
    return summary


def _describe_baseline(difference: Difference) -> dict[str, Any]:
    baseline = difference.other
    return {
        "optimizer": baseline.optimizer,
        "mean": baseline.final.to_json()["mean"],
        "difference": difference.paired.to_json(),
    }

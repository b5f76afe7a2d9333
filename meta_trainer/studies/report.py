"""What came out of a study, or has so far: as JSON, CSV, Markdown and HTML."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from meta_trainer.evaluation.reporting.pages import render_html_page, render_markdown_page
from meta_trainer.recorder import finite_or_none
from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.analysis import (
    Importance,
    PointSummary,
    compute_savings,
    estimate_importance,
    find_best_trial,
    rank_trials,
    summarize_points,
)
from meta_trainer.studies.ledger import Ledger, TrialRecord
from meta_trainer.studies.objective import compute_objective
from meta_trainer.studies.page import describe_objective, make_introduction, make_tables
from meta_trainer.studies.pictures import draw_pictures


def to_json(spec: StudySpec, ledger: Ledger, version: Mapping[str, Any] | None) -> dict[str, Any]:
    """The whole study, where None stands for what is not finite or not known.

    Of each trial: its `number`, `point`, `seed`, `values`, `state`, `updates` of `n_updates`,
    `objective`, `seconds`, `run_id`, `node`, `error` and its `curve` {update, validation_loss,
    best_validation_loss}; under PBT also its `history` of values. `leaderboard` has the numbers of
    the trials, best first; `points` mean and stderr over seeds.

    Args:
        version: that of the best Θ, once it is registered.
    """
    best = find_best_trial(spec, ledger)
    return {
        "objective": describe_objective(spec),
        "searcher": spec.searcher.kind,
        "scheduler": spec.scheduler.kind,
        "space": list(spec.space),
        "n_seeds": len(spec.all_seeds),
        "wall_seconds": round(ledger.seconds, 3),
        "best_trial": best.number if best else None,
        "version": dict(version) if version else None,
        "leaderboard": [trial.number for trial in rank_trials(spec, ledger)],
        "trials": [_trial_to_json(spec, trial) for trial in ledger.trials],
        "points": [_point_to_json(point) for point in summarize_points(spec, ledger)],
        "importance": _importance_to_json(estimate_importance(spec, ledger)),
        "savings": asdict(compute_savings(spec, ledger)),
    }


def make_files(
    spec: StudySpec, ledger: Ledger, version: Mapping[str, Any] | None, title: str
) -> dict[str, bytes]:
    """Name → content: `result.json`, `trials.csv`, `report.md`, `report.html` (self-contained),
    pictures."""
    texts = make_introduction(spec, ledger, version)
    tables = make_tables(spec, ledger)
    pictures = draw_pictures(spec, ledger, title)
    files = {
        "result.json": json.dumps(to_json(spec, ledger, version), allow_nan=False).encode(),
        "trials.csv": to_csv(spec, ledger).encode(),
        "report.md": render_markdown_page(title, texts, tables, pictures).encode(),
        "report.html": render_html_page(title, texts, tables, pictures).encode(),
    }
    for picture in pictures:
        files[picture.name] = picture.png
    return files


def to_csv(spec: StudySpec, ledger: Ledger) -> str:
    """One line a trial, in the order of their numbers; empty cells where nothing is known, or the
    field was not varied."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = ("trial", "point", "seed", "state", "updates", "n_updates", "seconds", "objective")
    writer.writerow([*names, *spec.space, "run_id", "error"])
    for trial in ledger.trials:
        objective = _compute_finite_objective(spec, trial)
        values = [
            spec.label(path, trial.values[path]) if path in trial.values else ""
            for path in spec.space
        ]
        row = [
            trial.number,
            trial.point,
            trial.seed,
            trial.state,
            trial.updates,
            trial.n_updates,
            trial.seconds,
            "" if objective is None else objective,
            *values,
            trial.run_id or "",
            trial.error or "",
        ]
        writer.writerow(row)
    return buffer.getvalue()


def _trial_to_json(spec: StudySpec, trial: TrialRecord) -> dict[str, Any]:
    content = trial.to_json()
    reports = content.pop("reports")
    del content["score"]
    for report in reports:
        del report["seconds"]
    return {
        **content,
        "updates": trial.updates,
        "seconds": trial.seconds,
        "objective": _compute_finite_objective(spec, trial),
        "curve": reports,
    }


def _point_to_json(point: PointSummary) -> dict[str, Any]:
    return {**asdict(point), "mean": point.mean, "stderr": point.stderr}


def _importance_to_json(importance: Importance | None) -> dict[str, Any] | None:
    if importance is None:
        return None
    return {
        "method": importance.method,
        "shares": dict(importance.shares),
        "left_out": list(importance.left_out),
    }


def _compute_finite_objective(spec: StudySpec, trial: TrialRecord) -> float | None:
    value = compute_objective(spec, trial)
    return None if value is None else finite_or_none(value)

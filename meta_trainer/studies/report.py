"""What came out of a study, or has so far: as JSON, CSV, Markdown and HTML."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from meta_trainer.evaluation.reporting.pages import render_html_page, render_markdown_page
from meta_trainer.evaluation.reporting.tables import Table, Text
from meta_trainer.recorder import finite_or_none
from meta_trainer.specs.study import StudySpec, SuiteObjective
from meta_trainer.studies.analysis import best_trial, importance, leaderboard, points, savings
from meta_trainer.studies.ledger import Ledger, TrialRecord, TrialState
from meta_trainer.studies.objective import objective
from meta_trainer.studies.pictures import pictures


def to_json(spec: StudySpec, ledger: Ledger, version: Mapping[str, Any] | None) -> dict[str, Any]:
    """The whole study, where None stands for what is not finite or not known.

    Of each trial: its `number`, `point`, `seed`, `values`, `state`, `updates` of `n_updates`,
    `objective`, `seconds`, `run_id`, `node`, `error` and its `curve` {update, validation_loss,
    best_validation_loss}; under PBT also its `history` of values. `leaderboard` has the numbers of
    the trials, best first; `points` mean and stderr over seeds.

    Args:
        version: that of the best Θ, once it is registered.
    """
    best, shares = best_trial(spec, ledger), importance(spec, ledger)
    return {
        "objective": describe_objective(spec),
        "searcher": spec.searcher.kind,
        "scheduler": spec.scheduler.kind,
        "space": list(spec.space),
        "n_seeds": len(spec.all_seeds),
        "wall_seconds": round(ledger.seconds, 3),
        "best_trial": best.number if best else None,
        "version": dict(version) if version else None,
        "leaderboard": [trial.number for trial in leaderboard(spec, ledger)],
        "trials": [_trial_json(spec, trial) for trial in ledger.trials],
        "points": [
            asdict(point) | {"mean": point.mean, "stderr": point.stderr}
            for point in points(spec, ledger)
        ],
        "importance": {"method": shares.method, "shares": dict(shares.shares)} if shares else None,
        "savings": asdict(savings(spec, ledger)),
    }


def files(
    spec: StudySpec, ledger: Ledger, version: Mapping[str, Any] | None, title: str
) -> dict[str, bytes]:
    """Name → content: `result.json`, `trials.csv`, `report.md`, `report.html` (self-contained),
    pictures."""
    drawn = pictures(spec, ledger, title)
    page = title, _introduction(spec, ledger, version), _tables(spec, ledger), drawn
    return {
        "result.json": json.dumps(to_json(spec, ledger, version), allow_nan=False).encode(),
        "trials.csv": to_csv(spec, ledger).encode(),
        "report.md": render_markdown_page(*page).encode(),
        "report.html": render_html_page(*page).encode(),
        **{picture.name: picture.png for picture in drawn},
    }


def to_csv(spec: StudySpec, ledger: Ledger) -> str:
    """One line a trial, in the order of their numbers; empty cells where nothing is known."""
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    names = ("trial", "point", "seed", "state", "updates", "n_updates", "seconds", "objective")
    writer.writerow([*names, *spec.space, "run_id", "error"])
    for trial in ledger.trials:
        facts = (
            trial.number,
            trial.point,
            trial.seed,
            trial.state,
            trial.updates,
            trial.n_updates,
            trial.seconds,
        )
        values = [spec.label(path, trial.values[path]) for path in spec.space]
        value = _finite(objective(spec, trial))
        writer.writerow(
            [*facts, "" if value is None else value, *values, trial.run_id or "", trial.error or ""]
        )
    return rows.getvalue()


def describe_objective(spec: StudySpec) -> str:
    """For people; smaller is better."""
    if isinstance(spec.objective, SuiteObjective):
        size = ", quick" if spec.objective.quick else ""
        return (
            f"final loss on the suite {spec.objective.suite}{size} (geometric mean over its tasks)"
        )
    return spec.objective.metric.replace("_", " ")


def _trial_json(spec: StudySpec, trial: TrialRecord) -> dict[str, Any]:
    content = trial.to_json()
    curve = content.pop("reports")
    del content["score"]
    facts = {
        "updates": trial.updates,
        "seconds": trial.seconds,
        "objective": _finite(objective(spec, trial)),
    }
    return {
        **content,
        **facts,
        "curve": [{k: v for k, v in report.items() if k != "seconds"} for report in curve],
    }


def _introduction(spec: StudySpec, ledger: Ledger, version: Mapping[str, Any] | None) -> list[str]:
    counts = {state: len(ledger.in_state(state)) for state in TrialState}
    what = (
        f"{len(ledger.trials)} trials ("
        + ", ".join(f"{n} {state}" for state, n in counts.items() if n)
        + f") of the searcher {spec.searcher.kind} with the scheduler {spec.scheduler.kind}, {len(spec.all_seeds)} "
        f"seed(s) for each point, in {ledger.seconds:.0f} s. Objective: {describe_objective(spec)}; smaller is better."
    )
    texts = [what]
    if version:
        texts.append(f"The best Θ is {version['optimizer']}@{version['number']}.")
    saved = savings(spec, ledger)
    if saved.n_stopped:
        texts.append(
            f"Stopping {saved.n_stopped} trials early left out {saved.updates} updates of Θ, which at their pace are "
            f"{saved.worker_hours:.3g} worker-hours; all trials took {saved.spent_worker_hours:.3g}."
        )
    if shares := importance(spec, ledger):
        listed = ", ".join(f"{path} {share:.0%}" for path, share in shares.shares.items())
        texts.append(
            f"Share of the objective's variation that each field explains ({shares.method}): {listed}."
        )
    return texts


def _tables(spec: StudySpec, ledger: Ledger) -> list[Table]:
    return [_leaderboard(spec, ledger), _points(spec, ledger), _others(ledger)][
        : 3 if _bad(ledger) else 2
    ]


def _leaderboard(spec: StudySpec, ledger: Ledger) -> Table:
    ranked = leaderboard(spec, ledger)
    rows = [
        [
            Text(str(rank), bold=rank == 1),
            Text(str(trial.number)),
            *(Text(_short(spec, path, trial.values[path])) for path in spec.space),
            Text(str(trial.seed)),
            Text(_number(objective(spec, trial)), bold=rank == 1),
            Text(f"{trial.updates}/{trial.n_updates}"),
            Text(trial.state),
        ]
        for rank, trial in enumerate(ranked, 1)
    ]
    return Table(
        "Leaderboard", ["rank", "trial", *spec.space, "seed", "objective", "updates", "state"], rows
    )


def _points(spec: StudySpec, ledger: Ledger) -> Table:
    ordered = sorted(
        points(spec, ledger), key=lambda point: (point.mean is None, point.mean or 0.0)
    )
    rows = [
        [
            Text(str(point.point)),
            *(Text(_short(spec, path, point.values[path])) for path in spec.space),
            Text(
                _number(point.mean) + (f" ± {point.stderr:.2g}" if point.stderr is not None else "")
            ),
            Text(str(point.n_trials)),
            Text(str(point.n_bad)),
        ]
        for point in ordered
    ]
    return Table(
        "Points over their seeds",
        ["point", *spec.space, "objective", "trials", "failed or diverged"],
        rows,
    )


def _others(ledger: Ledger) -> Table:
    rows = [[Text(str(trial.number)), Text(trial.error or "")] for trial in _bad(ledger)]
    return Table("Failed trials", ["trial", "error"], rows)


def _bad(ledger: Ledger) -> list[TrialRecord]:
    return ledger.in_state(TrialState.FAILED)


def _short(spec: StudySpec, path: str, value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else spec.label(path, value)


def _number(value: float | None) -> str:
    return "–" if value is None else "diverged" if finite_or_none(value) is None else f"{value:.4g}"


def _finite(value: float | None) -> float | None:
    return None if value is None else finite_or_none(value)

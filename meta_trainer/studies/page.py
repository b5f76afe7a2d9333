"""The words and tables of a study's report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meta_trainer.evaluation.reporting.table import Table, Text
from meta_trainer.recorder import finite_or_none
from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.study_parts import SuiteObjective
from meta_trainer.studies.analysis import (
    MIN_POINTS,
    PointSummary,
    compute_savings,
    count_finished_points,
    estimate_importance,
    rank_trials,
    summarize_points,
)
from meta_trainer.studies.ledger import Ledger, TrialRecord, TrialState
from meta_trainer.studies.objective import compute_objective


def describe_objective(spec: StudySpec) -> str:
    """For people; smaller is better."""
    objective = spec.objective
    if not isinstance(objective, SuiteObjective):
        return objective.metric.replace("_", " ")
    size = ", quick" if objective.quick else ""
    return f"final loss on the suite {objective.suite}{size} (geometric mean over its tasks)"


def make_introduction(
    spec: StudySpec, ledger: Ledger, version: Mapping[str, Any] | None
) -> list[str]:
    """Paragraphs: what was tried, the best Θ, what stopping saved, which fields matter."""
    texts = [_describe_trials(spec, ledger)]
    if version:
        texts.append(f"The best Θ is {version['optimizer']}@{version['number']}.")

    savings = compute_savings(spec, ledger)
    if savings.n_stopped:
        texts.append(
            f"Stopping {savings.n_stopped} trials early left out {savings.updates} updates of Θ, "
            f"which at their pace are {savings.worker_hours:.3g} worker-hours; all trials took "
            f"{savings.spent_worker_hours:.3g}."
        )

    importance = estimate_importance(spec, ledger)
    if importance is not None:
        shares = ", ".join(f"{path} {share:.0%}" for path, share in importance.shares.items())
        texts.append(
            "Share of the objective's variation that each field explains "
            f"({importance.method}): {shares}."
        )
        if importance.left_out:
            fields = ", ".join(importance.left_out)
            texts.append(f"Without a share, as not every point has them: {fields}.")
    else:
        n_finished = count_finished_points(spec, ledger)
        texts.append(
            f"Which field decides cannot be said: {n_finished} points were trained to the end, and "
            f"{MIN_POINTS} with different losses are the least."
        )
    return texts


def _describe_trials(spec: StudySpec, ledger: Ledger) -> str:
    counts = []
    for state in TrialState:
        n_trials = len(ledger.select_by_state(state))
        if n_trials:
            counts.append(f"{n_trials} {state}")
    return (
        f"{len(ledger.trials)} trials ({', '.join(counts)}) of the searcher {spec.searcher.kind} "
        f"with the scheduler {spec.scheduler.kind}, {len(spec.all_seeds)} seed(s) for each point, "
        f"in {ledger.seconds:.0f} s. "
        f"Objective: {describe_objective(spec)}; smaller is better."
    )


def make_tables(spec: StudySpec, ledger: Ledger) -> list[Table]:
    """The leaderboard, the points over their seeds, and the failed trials if there are any."""
    tables = [_make_leaderboard(spec, ledger), _make_points_table(spec, ledger)]
    failed_trials = ledger.select_by_state(TrialState.FAILED)
    if failed_trials:
        tables.append(_make_failures_table(failed_trials))
    return tables


def _make_leaderboard(spec: StudySpec, ledger: Ledger) -> Table:
    header = ["rank", "trial", *spec.space, "seed", "objective", "updates", "state"]
    rows = []
    for rank, trial in enumerate(rank_trials(spec, ledger), 1):
        is_best = rank == 1
        row = [
            Text(str(rank), bold=is_best),
            Text(str(trial.number)),
            *_make_value_cells(spec, trial.values),
            Text(str(trial.seed)),
            Text(_format_objective(compute_objective(spec, trial)), bold=is_best),
            Text(f"{trial.updates}/{trial.n_updates}"),
            Text(trial.state),
        ]
        rows.append(row)
    return Table("Leaderboard", header, rows)


def _make_points_table(spec: StudySpec, ledger: Ledger) -> Table:
    header = ["point", *spec.space, "objective", "trials", "stopped", "failed or diverged"]
    points = summarize_points(spec, ledger)
    best_first = sorted(points, key=lambda point: (point.mean is None, point.mean or 0.0))
    rows = []
    for point in best_first:
        row = [
            Text(str(point.point)),
            *_make_value_cells(spec, point.values),
            Text(_format_mean(point)),
            Text(str(point.n_trials)),
            Text(str(point.n_stopped)),
            Text(str(point.n_bad)),
        ]
        rows.append(row)
    return Table("Points over their seeds", header, rows)


def _make_failures_table(failed_trials: list[TrialRecord]) -> Table:
    rows = [[Text(str(trial.number)), Text(trial.error or "")] for trial in failed_trials]
    return Table("Failed trials", ["trial", "error"], rows)


def _make_value_cells(spec: StudySpec, values: Mapping[str, Any]) -> list[Text]:
    return [Text(_format_value(spec, path, values)) for path in spec.space]


def _format_value(spec: StudySpec, path: str, values: Mapping[str, Any]) -> str:
    """A dash where the field was not varied."""
    if path not in values:
        return "–"
    value = values[path]
    return f"{value:.4g}" if isinstance(value, float) else spec.label(path, value)


def _format_mean(point: PointSummary) -> str:
    mean = _format_objective(point.mean)
    return mean if point.stderr is None else f"{mean} ± {point.stderr:.2g}"


def _format_objective(value: float | None) -> str:
    if value is None:
        return "–"
    if finite_or_none(value) is None:
        return "diverged"
    return f"{value:.4g}"

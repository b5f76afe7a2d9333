"""What a ledger says: the leaderboard, which fields matter, the learning curves, and what stopping
early saved."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.ledger import Ledger, TrialRecord, TrialState
from meta_trainer.studies.objective import compute_objective, list_objectives
from meta_trainer.studies.search import list_past_points

MIN_POINTS: Final = 4
"""Finished points below which nothing is said about importance."""


def rank_trials(spec: StudySpec, ledger: Ledger) -> list[TrialRecord]:
    """Trials with an objective, best first: finished ones before others of the same value, then by
    number."""
    ranked = [trial for trial in ledger.trials if compute_objective(spec, trial) is not None]
    return sorted(ranked, key=lambda trial: _compute_rank(spec, trial))


def _compute_rank(spec: StudySpec, trial: TrialRecord) -> tuple[float, bool, int]:
    value = compute_objective(spec, trial)
    is_unfinished = trial.state is not TrialState.COMPLETED
    return (math.inf if value is None else value, is_unfinished, trial.number)


def find_best_trial(spec: StudySpec, ledger: Ledger) -> TrialRecord | None:
    """The trial whose Θ is worth keeping; None where every one failed or diverged."""
    ranked = rank_trials(spec, ledger)
    if not ranked:
        return None
    value = compute_objective(spec, ranked[0])
    has_value = value is not None and math.isfinite(value)
    return ranked[0] if has_value else None


@dataclass(frozen=True, kw_only=True)
class PointSummary:
    """A point over its seeds."""

    point: int
    values: Mapping[str, Any]
    objectives: Sequence[float]
    """Of the trials that were trained to the end and have a finite one."""
    n_trials: int
    n_stopped: int
    """Trials that were stopped early: their losses are of another budget, and not in the mean."""
    n_bad: int
    """Trials that failed or diverged."""

    @property
    def mean(self) -> float | None:
        return statistics.fmean(self.objectives) if self.objectives else None

    @property
    def stderr(self) -> float | None:
        """Of the mean; None below two seeds."""
        n = len(self.objectives)
        return statistics.stdev(self.objectives) / math.sqrt(n) if n > 1 else None


def summarize_points(spec: StudySpec, ledger: Ledger) -> list[PointSummary]:
    """All points in the order in which they were proposed."""
    points = dict.fromkeys(trial.point for trial in ledger.trials)
    return [_summarize_point(spec, ledger, point) for point in points]


def _summarize_point(spec: StudySpec, ledger: Ledger, point: int) -> PointSummary:
    trials = ledger.select_by_point(point)
    completed = [trial for trial in trials if trial.state is TrialState.COMPLETED]
    objectives = list_objectives(spec, completed)
    finite_objectives = [value for value in objectives if math.isfinite(value)]
    n_diverged = len(objectives) - len(finite_objectives)
    n_failed = sum(trial.state is TrialState.FAILED for trial in trials)
    return PointSummary(
        point=point,
        values=trials[0].values,
        objectives=finite_objectives,
        n_trials=len(trials),
        n_stopped=sum(trial.state is TrialState.STOPPED for trial in trials),
        n_bad=n_diverged + n_failed,
    )


@dataclass(frozen=True)
class Importance:
    """How much of the objective's variation over the space each field explains; the shares add up
    to 1."""

    method: str
    shares: Mapping[str, float]
    """Of the fields that every finished point has."""
    left_out: Sequence[str] = ()
    """Fields that some of these points do not have, as their condition did not hold there: their
    effect cannot be told apart from that of what they depend on."""


def estimate_importance(spec: StudySpec, ledger: Ledger) -> Importance | None:
    """By fANOVA (Hutter, Hoos, Leyton-Brown: ICML 2014), which looks at the whole space; None where
    too few points were trained to the end, or all gave the same."""
    finished = _list_finished_points(spec, ledger)
    n_values = len({point.value for point in finished})
    if len(finished) < MIN_POINTS or n_values < 2:
        return None

    # imported here: it brings all of scikit-learn, which takes a second
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    study = optuna.create_study()
    study.add_trials(finished)
    compared = [path for path in spec.space if all(path in point.params for point in finished)]
    varied = [path for path in compared if len({point.params[path] for point in finished}) > 1]
    evaluator = FanovaImportanceEvaluator(seed=spec.seed)
    shares = get_param_importances(study, params=varied, evaluator=evaluator)
    return Importance(
        method="fANOVA",
        shares={path: shares.get(path, 0.0) for path in compared},
        left_out=[path for path in spec.space if path not in compared],
    )


def count_finished_points(spec: StudySpec, ledger: Ledger) -> int:
    """Points of which every seed was trained to the end: those that importance is said from."""
    return len(_list_finished_points(spec, ledger))


def _list_finished_points(spec: StudySpec, ledger: Ledger) -> list[FrozenTrial]:
    points = list_past_points(spec, ledger)
    return [point for point in points if point.state is OptunaState.COMPLETE]


@dataclass(frozen=True, kw_only=True)
class Savings:
    """What the scheduler's decisions took away."""

    n_stopped: int
    updates: int
    """Updates that stopped trials did not do."""
    worker_hours: float
    """The same at each trial's own pace, on all its cores."""
    spent_worker_hours: float
    """What all trials took."""


def compute_savings(spec: StudySpec, ledger: Ledger) -> Savings:
    """Stopped trials against what they would have taken to their ends."""
    n_cores = spec.resources.cpus + spec.resources.workers
    stopped = [trial for trial in ledger.select_by_state(TrialState.STOPPED) if trial.updates]
    updates_saved = 0
    seconds_saved = 0.0
    for trial in stopped:
        updates_left = trial.n_updates - trial.updates
        updates_saved += updates_left
        seconds_saved += updates_left * trial.seconds / trial.updates
    seconds_spent = sum(trial.seconds for trial in ledger.trials)
    return Savings(
        n_stopped=len(stopped),
        updates=updates_saved,
        worker_hours=seconds_saved * n_cores / 3600,
        spent_worker_hours=seconds_spent * n_cores / 3600,
    )

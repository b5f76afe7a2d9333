"""What a ledger says: the leaderboard, which fields matter, the learning curves, and what stopping
early saved."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState as OptunaState

from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.ledger import Ledger, TrialRecord, TrialState
from meta_trainer.studies.objective import objective
from meta_trainer.studies.search import past_points

LEAST_POINTS: Final = 4
"""Finished points below which nothing is said about importance."""


def leaderboard(spec: StudySpec, ledger: Ledger) -> list[TrialRecord]:
    """Trials with an objective, best first: finished ones before others of the same value, then by
    number."""

    def rank(trial: TrialRecord) -> tuple[float, bool, int]:
        value = objective(spec, trial)
        return (
            math.inf if value is None else value,
            trial.state is not TrialState.COMPLETED,
            trial.number,
        )

    return sorted(
        (trial for trial in ledger.trials if objective(spec, trial) is not None), key=rank
    )


def best_trial(spec: StudySpec, ledger: Ledger) -> TrialRecord | None:
    """The trial whose Θ is worth keeping; None where every one failed or diverged."""
    ranked = leaderboard(spec, ledger)
    value = objective(spec, ranked[0]) if ranked else None
    return ranked[0] if value is not None and math.isfinite(value) else None


@dataclass(frozen=True, kw_only=True)
class PointSummary:
    """A point over its seeds."""

    point: int
    values: Mapping[str, Any]
    objectives: Sequence[float]
    """Of the seeds that have a finite one."""
    n_trials: int
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


def points(spec: StudySpec, ledger: Ledger) -> list[PointSummary]:
    """All points in the order in which they were proposed."""
    found = []
    for point in dict.fromkeys(trial.point for trial in ledger.trials):
        trials = ledger.of_point(point)
        values = [value for trial in trials if (value := objective(spec, trial)) is not None]
        finite = [value for value in values if math.isfinite(value)]
        n_bad = (
            len(values) - len(finite) + sum(trial.state is TrialState.FAILED for trial in trials)
        )
        found.append(
            PointSummary(
                point=point,
                values=trials[0].values,
                objectives=finite,
                n_trials=len(trials),
                n_bad=n_bad,
            )
        )
    return found


@dataclass(frozen=True)
class Importance:
    """How much of the objective's variation over the space each field explains; the shares add up
    to 1."""

    method: str
    shares: Mapping[str, float]


def importance(spec: StudySpec, ledger: Ledger) -> Importance | None:
    """By fANOVA (Hutter, Hoos, Leyton-Brown: ICML 2014), which looks at the whole space; None where
    the study has too few points, or all gave the same."""
    done = [point for point in past_points(spec, ledger) if point.state is OptunaState.COMPLETE]
    if len(done) < LEAST_POINTS or len({point.value for point in done}) < 2:
        return None
    study = optuna.create_study()
    study.add_trials(done)
    varied = [path for path in spec.space if len({point.params[path] for point in done}) > 1]
    shares = get_param_importances(
        study, params=varied, evaluator=FanovaImportanceEvaluator(seed=spec.seed)
    )
    return Importance("fANOVA", {path: shares.get(path, 0.0) for path in spec.space})


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


def savings(spec: StudySpec, ledger: Ledger) -> Savings:
    """Stopped trials against what they would have taken to their ends."""
    cores = spec.resources.cpus + spec.resources.workers
    stopped = [trial for trial in ledger.in_state(TrialState.STOPPED) if trial.updates]
    left = {trial.number: trial.n_updates - trial.updates for trial in stopped}
    seconds = sum(left[trial.number] * trial.seconds / trial.updates for trial in stopped)
    return Savings(
        n_stopped=len(stopped),
        updates=sum(left.values()),
        worker_hours=seconds * cores / 3600,
        spent_worker_hours=sum(trial.seconds for trial in ledger.trials) * cores / 3600,
    )

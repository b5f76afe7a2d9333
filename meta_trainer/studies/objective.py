"""The objective of trials and points; smaller is better, infinite is worst."""

from __future__ import annotations

import math
from collections.abc import Sequence

from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.study_parts import SuiteObjective
from meta_trainer.studies.ledger import TrialRecord, TrialReport, TrialState


def compute_objective(spec: StudySpec, trial: TrialRecord) -> float | None:
    """The trial's objective so far; None where nothing can be said yet, or ever."""
    if trial.state is TrialState.FAILED or not trial.reports:
        return None
    if isinstance(spec.objective, SuiteObjective):
        return trial.score
    return select_watched_loss(spec, trial.reports[-1])


def select_watched_loss(spec: StudySpec, report: TrialReport) -> float:
    """The validation loss that schedulers go by."""
    if isinstance(spec.objective, SuiteObjective):
        return report.best_validation_loss
    if spec.objective.metric == "best_validation_loss":
        return report.best_validation_loss
    return report.validation_loss


def list_objectives(spec: StudySpec, trials: Sequence[TrialRecord]) -> list[float]:
    """Of those trials that have one."""
    values = [compute_objective(spec, trial) for trial in trials]
    return [value for value in values if value is not None]


def compute_point_objective(spec: StudySpec, trials: Sequence[TrialRecord]) -> float | None:
    """Mean over the seeds of a point that have an objective."""
    values = list_objectives(spec, trials)
    return math.fsum(values) / len(values) if values else None

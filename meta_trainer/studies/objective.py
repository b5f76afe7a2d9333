"""The objective of trials and points; smaller is better, infinite is worst."""

from __future__ import annotations

import math
from collections.abc import Sequence

from meta_trainer.specs.study import StudySpec, SuiteObjective
from meta_trainer.studies.ledger import TrialRecord, TrialReport, TrialState


def objective(spec: StudySpec, trial: TrialRecord) -> float | None:
    """The trial's objective so far; None where nothing can be said yet, or ever."""
    if trial.state is TrialState.FAILED or not trial.reports:
        return None
    if isinstance(spec.objective, SuiteObjective):
        return trial.score
    return watched(spec, trial.reports[-1])


def watched(spec: StudySpec, report: TrialReport) -> float:
    """The validation metric that schedulers go by."""
    if (
        isinstance(spec.objective, SuiteObjective)
        or spec.objective.metric == "best_validation_loss"
    ):
        return report.best_validation_loss
    return report.validation_loss


def point_objective(spec: StudySpec, trials: Sequence[TrialRecord]) -> float | None:
    """Mean over the seeds of a point that have an objective."""
    known = [value for trial in trials if (value := objective(spec, trial)) is not None]
    return math.fsum(known) / len(known) if known else None

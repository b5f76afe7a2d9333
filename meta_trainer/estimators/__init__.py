"""Meta-gradient estimators: how the loss of a period is turned into a gradient with respect to
Θ."""

from meta_trainer.estimators.estimate import (
    GradientEstimate,
    Period,
    estimate_gradient,
    meta_gradient,
)
from meta_trainer.estimators.evolution import PairsResult, antithetic_pairs
from meta_trainer.estimators.objective import SMALLEST_LOSS, Objective
from meta_trainer.estimators.perturbations import Directions
from meta_trainer.estimators.second_order import differentiate_learners
from meta_trainer.estimators.tbptt import (
    PeriodResult,
    differentiate_period,
    differentiate_segments,
)

__all__ = [
    "SMALLEST_LOSS",
    "Directions",
    "GradientEstimate",
    "Objective",
    "PairsResult",
    "Period",
    "PeriodResult",
    "antithetic_pairs",
    "differentiate_learners",
    "differentiate_period",
    "differentiate_segments",
    "estimate_gradient",
    "meta_gradient",
]

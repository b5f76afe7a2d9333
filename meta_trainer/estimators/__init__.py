"""Meta-gradient estimators: how the loss of a period is turned into a gradient with respect to
Θ."""

from meta_trainer.estimators.estimate import Estimate, Period, estimate, meta_gradient
from meta_trainer.estimators.evolution import PairsResult, antithetic_pairs
from meta_trainer.estimators.objective import SMALLEST_LOSS, Objective
from meta_trainer.estimators.perturbations import Directions
from meta_trainer.estimators.tbptt import PeriodResult, truncated_bptt

__all__ = [
    "SMALLEST_LOSS",
    "Directions",
    "Estimate",
    "Objective",
    "PairsResult",
    "Period",
    "PeriodResult",
    "antithetic_pairs",
    "estimate",
    "meta_gradient",
    "truncated_bptt",
]

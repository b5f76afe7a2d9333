"""Meta-gradient estimators: how the loss of a period is turned into a gradient with respect to Θ."""

from meta_trainer.estimators.tbptt import PeriodResult, truncated_bptt

__all__ = ["PeriodResult", "truncated_bptt"]

"""One period by first-order back-propagation, with its objective in parts, as tests vary them."""

from __future__ import annotations

from typing import Any

from hyperadam.rates import Rate
from hyperadam.rules import Rule
from torch import Tensor

from meta_trainer.estimators import Objective, PeriodResult, differentiate_period
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.episodes import EpisodeState


def differentiate(
    rule: Rule[Any],
    theta: Tensor,  # shape: (n_theta,)
    optimizee: Optimizee,
    state: EpisodeState,
    *,
    n_steps: int,
    rate: Rate,
    **objective: Any,
) -> PeriodResult:
    return differentiate_period(
        rule, theta, optimizee, state, Objective(**objective), n_steps=n_steps, rate=rate
    )

"""The meta-gradients of a whole episode, period by period."""

from __future__ import annotations

from torch import Tensor

from meta_trainer.estimators import Period, estimate_gradient, meta_gradient
from meta_trainer.specs import EstimatorSpec


def add_episode_gradients(total: Tensor, estimator: EstimatorSpec, period: Period) -> None:
    """Add the meta-gradients of all periods of an episode to `total`.

    Args:
        period: says how long the episode and its periods are, and of which learners.
    """
    state = None
    for _ in range(0, period.horizon, period.n_steps):
        result = estimate_gradient(estimator, period, state)
        total += meta_gradient(
            estimator,
            period.rule,
            result.gradient,
            result.slopes,
            seed=period.seed,
            episode=period.episode,
            learners=period.learners,
        )
        state = result.state

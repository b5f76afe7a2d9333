"""Running an optimizer on an optimizee without learning anything from it: validation and
evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from hyperadam.rates import Rate
from hyperadam.rules import Rule
from torch import Tensor

from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.optimizers import InnerOptimizer, Learned, average_weights


class Rollout(NamedTuple):
    """What became of L learners."""

    curves: Tensor
    """Loss at w_t on the minibatch of step t, t = 0 … T − 1; shape (T, L), float64; not finite once
    diverged."""
    final_losses: Tensor
    """Mean loss at the final weights over the minibatches of the run; shape (L,), float64; NaN
    where it is not finite."""
    parameters: Tensor
    """The final weights: w_T, or what the optimizer has averaged; shape (L, p)."""


def rollout(optimizer: InnerOptimizer, optimizee: Optimizee, n_steps: int) -> Rollout:
    """Run T = n_steps steps. A learner that diverges is a result (NaN in its `final_losses`), never
    an error."""
    (result,) = rollouts(optimizer, optimizee, [n_steps])
    return result


def learned_rollouts(
    rule: Rule[Any],
    theta: Tensor,
    rate: Rate,
    optimizee: Optimizee,
    horizons: Sequence[int],
    averaging: float = 0.0,
) -> list[Rollout]:
    """A learned optimizer as it stands after each of these numbers of steps, which rise.

    One whose rate depends on it is told how long a run is, so that there is a run for each.

    Args:
        averaging: η of the average that a run gives in place of its last weights; 0: none.
    """

    def make_optimizer(own_rate: Rate) -> InnerOptimizer:
        return average_weights(Learned(rule, theta, own_rate), averaging)

    if not rate.knows_length:
        return rollouts(make_optimizer(rate), optimizee, horizons)
    return [rollout(make_optimizer(rate.over(n_steps)), optimizee, n_steps) for n_steps in horizons]


def rollouts(
    optimizer: InnerOptimizer, optimizee: Optimizee, horizons: Sequence[int]
) -> list[Rollout]:
    """One run as it stands after each of these numbers of steps, which rise: the first steps are
    run only once."""
    w = optimizee.start()
    state = optimizer.init(w, optimizee.shapes)
    curves = torch.empty(horizons[-1], w.shape[0], dtype=torch.float64)
    results = []
    for step in range(horizons[-1]):
        losses, gradients = optimizee.losses_and_gradients(w, step)
        curves[step] = losses
        w, state = optimizer.step(w, gradients, state)
        if step + 1 in horizons:
            weights = optimizer.final_weights(w, state)
            final = optimizee.final_losses(weights, step + 1)
            finite = torch.where(final.isfinite(), final, torch.nan)
            results.append(Rollout(curves[: step + 1], finite, weights))
    return results

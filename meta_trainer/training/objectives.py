"""How the steps of a period are scored: their weights in the meta-loss, and the scale of each
learner's losses."""

from __future__ import annotations

import torch
from torch import Tensor

from meta_trainer.estimators import SMALLEST_LOSS, Objective
from meta_trainer.specs import UnrollSpec
from meta_trainer.tasks.optimizees import Optimizee


def make_objective(
    unroll: UnrollSpec, optimizee: Optimizee, first_step: int, n_steps: int, horizon: int
) -> Objective:
    """How the `n_steps` steps after `first_step` of an episode of `horizon` steps are scored."""
    scale = None
    if unroll.loss_scaling == "initial":
        losses = optimizee.losses(optimizee.start(), 0)
        scale = torch.where(losses.isfinite(), losses.clamp_min(SMALLEST_LOSS), 1.0)
    weights = weigh_steps(unroll, first_step, horizon, n_steps)
    return Objective(score=unroll.score, meta_loss=unroll.meta_loss, weights=weights, scale=scale)


def weigh_steps(
    unroll: UnrollSpec, first_step: int, horizon: int | None = None, n_steps: int | None = None
) -> Tensor:
    """What the steps after `first_step` count in the meta-loss, a_t; shape (S,).

        a_t = (1 − f) (k + 1) (t/T)^k + f T/n [t > T − n]

    with k = `late_weight`, f = `final_weight` and n = `final_steps`, at most T: 1 on the average of
    an episode, but for the rounding of the sum of (t/T)^k.

    Args:
        horizon: T of the episode; None: that of `unroll`.
        n_steps: S; None: the period of `unroll`.
    """
    horizon = horizon or unroll.horizon
    n_steps = n_steps or unroll.period or horizon
    t = torch.arange(first_step + 1, first_step + n_steps + 1)
    weights = (unroll.late_weight + 1) * (t / horizon) ** unroll.late_weight
    if not unroll.final_weight:
        return weights

    n_final = min(unroll.final_steps, horizon)
    is_final = t > horizon - n_final
    final_weight = unroll.final_weight * horizon / n_final
    return (1 - unroll.final_weight) * weights + final_weight * is_final

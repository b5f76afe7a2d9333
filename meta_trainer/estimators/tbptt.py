"""Truncated back-propagation through time, first order, without the learner in the graph.

One period runs S steps w_t = w_{t−1} − α_t d_t, d_t = O(g_t, H_t; Θ), from a carried state. First
order means that g_t is a constant for the derivative (as in all published codes), and the carried
state and w_0 are constants too. Then

    ∂/∂d_s  1/S Σ_t L(w_t) = −α_s/S Σ_{t ≥ s} ∇L(w_t) =: u_s,

where the ∇L(w_t) are gradients that the learner computes anyway. So the meta-gradient is that of
the surrogate Σ_s ⟨u_s, d_s(Θ)⟩: the learner runs forward and backward once a step outside any
graph, and only the cell is differentiated, by a tape (`hyperadam.kernels`). It equals the
differentiable unroll with stopped gradients to rounding.

With weight decay, w_t = k_t w_{t−1} − α_t d_t and k_t = 1 − α_t λ, what follows d_s shrinks:
∇L(w_t) is times k_{s+1} … k_t in the sum.

What is scored is a choice on which the published codes differ (t counts 1 … S in the period):

    next        L(w_t) on the minibatch of step t + 1: no update goes unscored; shared with the
                next period
    pre         L(w_{t−1}) on the minibatch of step t (the 2019 code): the period's last update is
                not scored
    post-same   L(w_t) on the minibatch of step t, at the price of a second gradient a step

What a scored loss counts in the meta-loss F is said by `meta_trainer.estimators.objective`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from hyperadam.kernels import open_tape
from hyperadam.moves import direction_adjoints
from hyperadam.rates import Rate
from hyperadam.rules import Rule
from torch import Tensor

from meta_trainer.estimators.objective import Objective
from meta_trainer.specs import Score
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.episodes import EpisodeState, LossAndGradient
from meta_trainer.unrolls.period import run_period_steps


class PeriodResult(NamedTuple):
    """What one period of one chunk of learners gives."""

    gradient: Tensor
    """d/dΘ of the sum over learners of their meta-loss, shape (n_theta,); or of the meta-loss of
    each, shape (L, n_theta)."""
    state: EpisodeState
    losses: Tensor
    """Scored losses; shape (S, L), or (1, L) where the last alone is scored; not finite where a
    learner diverged."""


def differentiate_segments(
    rule: Rule[Any],
    theta: Tensor,  # shape: (n_theta,)
    optimizee: Optimizee,
    state: EpisodeState,
    objective: Objective,
    *,
    n_steps: int,
    truncation: int,
    rate: Rate,
    differentiate: Callable[..., PeriodResult],
) -> PeriodResult:
    """One period whose derivative is cut after every `truncation` steps, which divide it.

    Args:
        differentiate: takes each segment as a period: `differentiate_period`, or one with its
            arguments.
    """
    gradient = torch.zeros_like(theta)
    losses: list[Tensor] = []

    for first_step in range(0, n_steps, truncation):
        segment = objective.segment(first_step, first_step + truncation, n_steps)
        result = differentiate(
            rule, theta, optimizee, state, segment, n_steps=truncation, rate=rate
        )
        state = result.state
        gradient = gradient + result.gradient * (truncation / n_steps)
        losses.append(result.losses)

    return PeriodResult(gradient, state, objective.scored(torch.cat(losses)))


def differentiate_period(
    rule: Rule[Any],
    theta: Tensor,  # shape: (n_theta,)
    optimizee: Optimizee,
    state: EpisodeState,
    objective: Objective,
    *,
    n_steps: int,
    rate: Rate,
) -> PeriodResult:
    """One period that is differentiated as a whole.

    Args:
        theta: the flat Θ, of the optimizee's dtype.
        n_steps: S, the length of the period.
        rate: α, its schedule, shares and decay.
    """
    tape = open_tape(rule, theta, state.rule_state)
    scored: list[LossAndGradient] = []

    def take_direction(_: Tensor, gradient: Tensor) -> Tensor:
        return tape.step(gradient)

    end = run_period_steps(
        optimizee,
        state,
        take_direction,
        scored.append,
        n_steps=n_steps,
        rate=rate,
        score=objective.score,
    )

    losses = torch.stack([evaluation.loss for evaluation in scored])
    gradients = torch.stack([evaluation.gradient for evaluation in scored])
    own_adjoints = objective.derivatives(losses)[:, :, None] * gradients
    adjoints = _add_later_adjoints(own_adjoints, objective.score, rate, state.step)

    shares = rate.shares(optimizee.shapes, adjoints)
    upstream = direction_adjoints(adjoints, rate, state.step, shares)
    upstream = torch.where(end.current.diverged[:, None], 0.0, upstream)
    gradient = tape.backward(upstream)

    new_state = EpisodeState(end.w, end.current, tape.state, state.step + n_steps)
    return PeriodResult(gradient, new_state, objective.scored(losses))


def _add_later_adjoints(
    own_adjoints: Tensor,  # shape: (S, L, p)
    score: Score,
    rate: Rate,
    first_step: int,
) -> Tensor:
    """∂F/∂w_s of all losses that the update d_s reaches, from those of each scored loss alone.

        λ_s = ∂F/∂L_s ∇L_s + k_{s+1} λ_{s+1}                                    shape (S, L, p)

    With the score `pre`, loss s was taken at w_{s−1}: d_s reaches only the later ones.
    """
    adjoints = own_adjoints.clone()
    if score == "pre":
        adjoints[:-1] = own_adjoints[1:]
        adjoints[-1] = 0.0
    for s in reversed(range(len(adjoints) - 1)):
        adjoints[s].add_(adjoints[s + 1], alpha=rate.retention(first_step + s + 1))
    return adjoints

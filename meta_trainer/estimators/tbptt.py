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

What is scored is a choice on which the published codes differ (t counts 1 … S within the period):

    next        L(w_t) on the minibatch of step t + 1, so that no update goes unscored; shared with the next period
    pre         L(w_{t−1}) on the minibatch of step t (the 2019 code): the period's last update is not scored
    post-same   L(w_t) on the minibatch of step t, at the price of a second gradient a step

With the logarithmic meta-loss 1/S Σ_t log L(w_t), every ∇L above is divided by its L. With the
meta-loss `last`, L of the last t alone, only that ∇L remains, and 1/S is 1. Weights on the steps
multiply their ∇L, and a scale of a learner's losses divides them all
(`meta_trainer.estimators.objective`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from hyperadam.kernels import open_tape
from hyperadam.rates import Rate
from hyperadam.rules import Rule
from torch import Tensor

from meta_trainer.estimators.objective import Objective
from meta_trainer.specs import MetaLoss, Score
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.episodes import EpisodeState, Evaluation
from meta_trainer.unrolls.period import walk


class PeriodResult(NamedTuple):
    """What one period of one chunk of learners gives."""

    gradient: Tensor
    """d/dΘ of the sum over learners of their meta-loss; shape (n_theta,)."""
    state: EpisodeState
    losses: Tensor
    """Scored losses; shape (S, L), or (1, L) where the last alone is scored; not finite where a
    learner diverged."""


def truncated_bptt(
    rule: Rule[Any],
    theta: Tensor,  # shape: (n_theta,)
    optimizee: Optimizee,
    state: EpisodeState,
    *,
    n_steps: int,
    rate: Rate,
    score: Score = "next",
    meta_loss: MetaLoss = "mean",
    weights: Tensor | None = None,  # shape: (S,)
    scale: Tensor | None = None,  # shape: (L,)
) -> PeriodResult:
    """Run one period and return its meta-gradient; see the module's docstring.

    Args:
        theta: the flat Θ, of the optimizee's dtype.
        n_steps: S, the length of the period.
        rate: α and its schedule.
        score: which losses are scored.
        meta_loss: their mean, the mean of their logarithms, or the last one.
        weights: how much each scored step counts in the meta-loss; None: all the same.
        scale: what each learner's losses are divided by; None: 1.
    """
    objective = Objective(score=score, meta_loss=meta_loss, weights=weights, scale=scale)
    return one_tape(rule, theta, optimizee, state, objective, n_steps=n_steps, rate=rate)


def cut_bptt(
    rule: Rule[Any],
    theta: Tensor,  # shape: (n_theta,)
    optimizee: Optimizee,
    state: EpisodeState,
    objective: Objective,
    *,
    n_steps: int,
    truncation: int,
    rate: Rate,
) -> PeriodResult:
    """One period whose derivative is cut after every `truncation` steps, which divide it."""
    gradient, losses = torch.zeros_like(theta), []
    for first in range(0, n_steps, truncation):
        own = objective.segment(first, first + truncation, n_steps)
        result = one_tape(rule, theta, optimizee, state, own, n_steps=truncation, rate=rate)
        state = result.state
        gradient += result.gradient * (truncation / n_steps)
        losses.append(result.losses)
    return PeriodResult(gradient, state, objective.scored(torch.cat(losses)))


def one_tape(
    rule: Rule[Any],
    theta: Tensor,  # shape: (n_theta,)
    optimizee: Optimizee,
    state: EpisodeState,
    objective: Objective,
    *,
    n_steps: int,
    rate: Rate,
) -> PeriodResult:
    """One period that is differentiated as a whole."""
    tape = open_tape(rule, theta, state.rule_state)
    scored: list[Evaluation] = []
    w, here = walk(
        optimizee,
        state,
        tape.step,
        scored.append,
        n_steps=n_steps,
        rate=rate,
        score=objective.score,
    )
    losses, gradients = (
        torch.stack([e.loss for e in scored]),
        torch.stack([e.gradient for e in scored]),
    )
    counted = objective.scored(losses)
    steps = range(state.step, state.step + n_steps)
    rates = torch.tensor([rate.at(step) for step in steps], dtype=torch.float64)[:, None, None]
    reached = _reached(
        objective.ascent(losses, gradients), objective.score, [rate.kept(step) for step in steps]
    )
    upstream = reached * (rates / -len(counted)).to(reached)
    if (shares := rate.shares(optimizee.shapes, upstream)) is not None:
        upstream = upstream * shares
    upstream = torch.where(here.diverged[:, None], 0.0, upstream)
    new_state = EpisodeState(w, here, tape.state, state.step + n_steps)
    return PeriodResult(tape.backward(upstream), new_state, counted)


def _reached(gradients: Tensor, score: Score, kept: Sequence[float]) -> Tensor:
    """For each s, the sum of the scored gradients that the update d_s reaches; (S, L, p) both ways.

    Args:
        kept: k_t of each step.
    """
    total = gradients.clone()
    if score == "pre":  # gradients[s] was taken at w_{s−1}: d_s reaches only the later ones
        total[:-1], total[-1] = gradients[1:], 0.0
    for s in reversed(range(len(total) - 1)):
        total[s].add_(total[s + 1], alpha=kept[s + 1])
    return total

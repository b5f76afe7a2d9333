"""Truncated back-propagation through time, step by step: the gradient of each learner, of first or
second order.

First order (`meta_trainer.estimators.tbptt`) holds every g_t constant. So it does not see that
later gradients correct a step: it wants steps too short and memories too long. In second order,
g_t = ∇L(w_{t−1}) is differentiated, too. With λ_t = ∂F/∂w_t, the period is gone back from its end:

    d̄_t = −α_t share λ_t                                                hyperadam.rates
    Θ̄, ḡ_t, state̅_{t−1}  from  d̄_t, state̅_t                            hyperadam.kernels.stepwise
    λ_{t−1} = k_t λ_t + ∂F/∂L_{t−1} ∇L_{t−1} + H_{t−1} ḡ_t

where k_t is what weight decay leaves, and H_{t−1} the learner's Hessian at w_{t−1} on the minibatch
of step t (`meta_trainer.estimators.curvature`). Without H ḡ, this is first order. With it, it is
the exact derivative of the period's meta-loss, but for what the period starts from: w_0 and the
rule's state are constants, as in first order. A whole episode in one period (`unroll.period` null)
leaves nothing out.

w_t and the rule's state are kept for every step, and the graphs of gradients as far as memory
allows; all else is computed again.

Derivatives of long episodes can be huge: where a learner is about to diverge, what a change of Θ
does grows from step to step. A learner whose derivative is not finite adds nothing, and counts as
one that diverged; `meta_optimizer.clip_learners` bounds the others.

So learners with steps too long are silent, or say anything, and those with steps too short decide.
With a loss limit c, losses count up to the first that is beyond c times that before the first step,
and the derivative starts there: what made the loss rise is in it, the chaos that follows is not.

Most of what grows says nothing about Θ: it is chaos, whose sign changes with the last bit of w_0.
With an adjoint limit a, λ_t is shortened wherever needed so that

    ‖λ_t‖ ≤ a Σ_{s ≥ t} ‖∂F/∂L_s ∇L_s‖

which holds by itself with a = 1 where the learner's steps bring near weights nearer. So derivatives
stay within what the losses that follow can owe to w_t. Where steps are too long, far losses lose
their say first, and what the near ones say is right: steps are too long.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from hyperadam.kernels import StepwiseTape, open_stepwise_tape
from hyperadam.moves import direction_adjoints
from hyperadam.rates import Rate
from hyperadam.rules import Rule
from torch import Tensor

from meta_trainer.estimators.curvature import Curvature
from meta_trainer.estimators.objective import Objective
from meta_trainer.estimators.tbptt import PeriodResult
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.episodes import EpisodeState, LossAndGradient
from meta_trainer.unrolls.period import Measure, PeriodEnd, run_period_steps


class _ForwardPass(NamedTuple):
    """A period as it went."""

    path: list[Tensor]
    """w_{t−1} of each step t = 1 … S, shape (L, p)."""
    scored: list[LossAndGradient]
    """Of each step."""
    end: PeriodEnd


def differentiate_learners(
    rule: Rule[Any],
    theta: Tensor,  # shape: (n_theta,)
    optimizee: Optimizee,
    state: EpisodeState,
    objective: Objective,
    *,
    n_steps: int,
    rate: Rate,
    order: Literal[1, 2],
    loss_limit: float | None = None,
    adjoint_limit: float | None = None,
) -> PeriodResult:
    """One period that is differentiated as a whole; the gradient of each learner, shape (L,
    n_theta).

    Args:
        theta: the flat Θ, of the optimizee's dtype.
        n_steps: S, the length of the period.
        rate: α, its schedule, shares and decay.
        order: 2: with the second derivatives of the learners; 1: the rows of
            `meta_trainer.estimators.tbptt.differentiate_period`.
        loss_limit: c, above 1; None: all losses of learners that do not diverge count, and none of
            those that do.
        adjoint_limit: a, above 0; None: adjoints are as long as they come out.
    """
    tape = open_stepwise_tape(rule, theta, state.rule_state)
    curvature = None
    if order == 2:
        curvature = Curvature(optimizee, range(state.step + 1, state.step + n_steps))
    measure = None if curvature is None else curvature.measure
    forward = _run_forward(tape, optimizee, state, n_steps, rate, objective, measure)
    losses = torch.stack([evaluation.loss for evaluation in forward.scored])
    n_counted = _count_losses(losses, state.current.loss, forward.end.current, loss_limit)
    own_adjoints = _adjoints_of_scored_losses(objective, losses, forward.scored, n_counted)
    shares = rate.shares(optimizee.shapes, state.w)

    adjoint = torch.zeros_like(state.w)
    limits = None if adjoint_limit is None else _find_limits(own_adjoints, adjoint_limit)
    for position in reversed(range(n_steps)):
        step = state.step + position
        is_followed = position + 1 < n_counted[:, None]
        adjoint = torch.where(is_followed, adjoint, 0.0) + own_adjoints[position]
        if limits is not None:
            adjoint = limit_norms(adjoint, limits[position])
        (upstream,) = direction_adjoints(adjoint[None], rate, step, shares)
        gradient_adjoint = tape.backward_step(upstream)
        adjoint = rate.retention(step) * adjoint
        if curvature is not None and position:
            w = forward.path[position]
            adjoint = adjoint + curvature.multiply(w, step, gradient_adjoint)

    gradients = tape.theta_gradients
    is_finite = gradients.isfinite().all(1)
    new_state = EpisodeState(forward.end.w, forward.end.current, tape.state, state.step + n_steps)
    return PeriodResult(
        torch.where(is_finite[:, None], gradients, 0.0),
        new_state,
        torch.where(is_finite, objective.scored(losses), torch.nan),
    )


def _run_forward(
    tape: StepwiseTape,
    optimizee: Optimizee,
    state: EpisodeState,
    n_steps: int,
    rate: Rate,
    objective: Objective,
    measure: Measure | None,
) -> _ForwardPass:
    path: list[Tensor] = []
    scored: list[LossAndGradient] = []

    def take_direction(w: Tensor, gradient: Tensor) -> Tensor:
        path.append(w)
        return tape.step(gradient)

    end = run_period_steps(
        optimizee,
        state,
        take_direction,
        scored.append,
        n_steps=n_steps,
        rate=rate,
        score=objective.score,
        measure=measure,
    )
    return _ForwardPass(path, scored, end)


def _find_limits(
    own_adjoints: Tensor,  # shape: (S, L, p)
    adjoint_limit: float,
) -> Tensor:
    """How long λ_t may be: a times what the losses from t on can owe to w_t; shape (S, L)."""
    owed: Tensor = own_adjoints.norm(dim=2).flip(0).cumsum(0).flip(0)
    return adjoint_limit * owed


def limit_norms(
    adjoint: Tensor,  # shape: (L, p)
    limits: Tensor,  # shape: (L,)
) -> Tensor:
    """The adjoint of each learner, shortened to its limit; 0 where it is not finite."""
    norms = adjoint.norm(dim=1)
    is_within = norms <= limits
    factors = torch.where(is_within, 1.0, limits / torch.where(is_within, 1.0, norms))
    return torch.where(norms.isfinite()[:, None], adjoint * factors[:, None], 0.0)


def _count_losses(
    losses: Tensor,  # shape: (S, L)
    start: Tensor,  # shape: (L,)
    end: LossAndGradient,
    loss_limit: float | None,
) -> Tensor:
    """How many of each learner's losses count, from the first on; shape (L,), int64."""
    n_steps = len(losses)
    if loss_limit is None:
        return torch.where(end.diverged, 0, n_steps)
    is_beyond = ~(losses <= loss_limit * start)  # one that is not a number, too
    numbers = torch.arange(1, n_steps + 1)[:, None]
    return torch.where(is_beyond, numbers, n_steps).amin(0)


def _adjoints_of_scored_losses(
    objective: Objective,
    losses: Tensor,  # shape: (S, L)
    scored: list[LossAndGradient],
    n_counted: Tensor,  # shape: (L,)
) -> Tensor:
    """∂F/∂L ∇L at each w_t of the period, t = 1 … S, from the losses that are scored and count.

    With the score `pre`, loss t was taken at w_{t−1}. Shape (S, L, p).
    """
    gradients = torch.stack([evaluation.gradient for evaluation in scored])
    adjoints = objective.derivatives(losses)[:, :, None] * gradients
    counts = torch.arange(len(losses))[:, None] < n_counted
    adjoints = torch.where(counts[:, :, None], adjoints, 0.0)
    if objective.score == "pre":
        return torch.cat([adjoints[1:], torch.zeros_like(adjoints[:1])])
    return adjoints

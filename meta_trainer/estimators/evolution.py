"""Evolution strategies: the gradient of a smoothed meta-loss, from losses of perturbed Θ alone.

With F the meta-loss of a period, σ the spread and N antithetic pairs of directions ε_i ~ N(0, I),

    ES         ∇ E[F(Θ + σ ε)] ≈ 1/N Σ_i ε_i (F(Θ + σ ε_i) − F(Θ − σ ε_i)) / 2σ
    ES-Single  1/N Σ_i ε_i (F_k(Θ + σ ε_i) − F_k(Θ − σ ε_i)) / 2σ
    PES        1/N Σ_i ξ_{i,k} (F_k(Θ + σ ε_{i,k}) − F_k(Θ − σ ε_{i,k})) / 2σ
                                                               with ξ_{i,k} = Σ_{j ≤ k} ε_{i,j}

ES runs whole episodes. The other two run period after period, k = 1, 2, …, each with its own F_k:
ES-Single under one ε_i throughout, PES under a new one in each. In these two, every particle goes
on from where its own perturbations have led it. The meta-loss of period k depends on the
perturbations of all periods before it, which is what ξ counts (Vicol, Metz, Sohl-Dickstein 2021,
Eq. 8): the sum over an episode's periods has the expectation of the gradient over the whole
episode, where TBPTT's has not. ES-Single (Vicol 2023) has it too, for its particles keep their ε;
which of the two has less variance depends on the problem. Nothing is differentiated, so that
second-order terms count, and a meta-loss need not be smooth.

Both members of a pair have one start, the same minibatches, masks and tricks. A pair of which one
diverged adds nothing, as a diverged learner does not in TBPTT. The factors (F₊ − F₋) / 2σ are
called slopes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from hyperadam.kernels import open_stepper
from hyperadam.rates import Rate
from hyperadam.rules import Rule
from torch import Tensor

from meta_trainer.estimators.objective import Objective
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.episodes import (
    EpisodeState,
    LossAndGradient,
    join_rule_states,
    split_rule_state,
)
from meta_trainer.unrolls.period import run_period_steps


class PairsResult(NamedTuple):
    """What a period of antithetic pairs of one chunk of learners gives."""

    slopes: Tensor
    """(F₊ − F₋) / 2σ; shape (L, N), zero where one of a pair diverged."""
    states: tuple[EpisodeState, ...]
    """Of each particle, all L learners: pair after pair, + before −; 2 N of them, or none where
    they are not kept."""
    losses: Tensor
    """Mean of a learner's scored losses over its particles; shape (L,), not finite where one
    diverged."""


def antithetic_pairs(
    rule: Rule[Any],
    theta: Tensor,  # shape: (n_theta,)
    directions: Tensor,  # shape: (L, N, n_theta)
    optimizee: Optimizee,
    states: Sequence[EpisodeState],
    objective: Objective,
    *,
    sigma: float,
    n_steps: int,
    rate: Rate,
    keep_states: bool = True,
) -> PairsResult:
    """Run one period of every pair; see the module's docstring.

    The particles run one after another, for nearly all of the time is the cell's, which needs a
    call for every Θ, and is fastest while one learner's state stays in the processor's cache.

    Args:
        directions: ε of each learner and pair.
        states: of each particle, as in `PairsResult`.
        keep_states: whether the episode goes on.
    """
    slopes: list[Tensor] = []
    ends: list[EpisodeState] = []
    means: list[Tensor] = []

    for pair, pair_states in enumerate(zip(states[::2], states[1::2], strict=True)):
        offsets = sigma * directions[:, pair].to(theta)
        values: list[Tensor] = []
        for perturbed, state in zip((theta + offsets, theta - offsets), pair_states, strict=True):
            losses, end = _run_particle(
                rule, perturbed, optimizee, state, objective, n_steps=n_steps, rate=rate
            )
            value = objective.values(losses)
            values.append(torch.where(end.current.diverged, torch.nan, value))
            means.append(objective.scored(losses).mean(0))
            if keep_states:
                ends.append(end)
        slopes.append((values[0] - values[1]) / (2 * sigma))

    slope = torch.stack(slopes, dim=1)
    slope_of_sound_pairs = torch.where(slope.isfinite(), slope, 0.0)
    return PairsResult(slope_of_sound_pairs, tuple(ends), torch.stack(means).mean(0))


def _run_particle(
    rule: Rule[Any],
    thetas: Tensor,  # shape: (L, n_theta)
    optimizee: Optimizee,
    state: EpisodeState,
    objective: Objective,
    *,
    n_steps: int,
    rate: Rate,
) -> tuple[Tensor, EpisodeState]:
    """One period of L learners, each under a Θ of its own: all losses (S, L), and where they are
    then."""
    steppers = [open_stepper(rule, theta) for theta in thetas]
    rule_states = split_rule_state(state.rule_state, [1] * len(thetas))
    losses: list[Tensor] = []

    def step_all(_: Tensor, gradients: Tensor) -> Tensor:
        directions = []
        for stepper, gradient, own in zip(steppers, gradients.split(1), rule_states, strict=True):
            direction, _ = stepper.step(gradient, own, out_state=own)
            directions.append(direction)
        return torch.cat(directions)

    def note_loss(evaluation: LossAndGradient) -> None:
        losses.append(evaluation.loss)

    end = run_period_steps(
        optimizee, state, step_all, note_loss, n_steps=n_steps, rate=rate, score=objective.score
    )
    rule_state = join_rule_states(rule_states)
    new_state = EpisodeState(end.w, end.current, rule_state, state.step + n_steps)
    return torch.stack(losses), new_state

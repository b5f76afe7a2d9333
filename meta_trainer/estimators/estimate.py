"""From a job's estimator spec to the meta-gradient of one period of one chunk: the parts of a mix,
and their states.

A chunk's state is one `EpisodeState` that holds all parts' particles, L rows for each: one for
TBPTT, 2 N for PES and ES-Single, none for ES, whose episodes begin and end within one call. What
PES accumulates is not in it, for it follows from seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from hyperadam.rates import Rate
from hyperadam.rules import Rule
from torch import Tensor

from meta_trainer.estimators.evolution import antithetic_pairs
from meta_trainer.estimators.objective import Objective
from meta_trainer.estimators.perturbations import Directions, coordinates_of
from meta_trainer.estimators.second_order import differentiate_learners
from meta_trainer.estimators.tbptt import differentiate_period, differentiate_segments
from meta_trainer.specs import ESSingleSpec, ESSpec, EstimatorSpec, PESSpec, TBPTTSpec, parts_of
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.episodes import (
    EpisodeState,
    begin_episode,
    join_states,
    split_state,
)

EvolutionSpec = ESSpec | PESSpec | ESSingleSpec
PlainEstimatorSpec = TBPTTSpec | EvolutionSpec


@dataclass(frozen=True, kw_only=True, eq=False)
class Period:
    """One period of one chunk: everything that an estimator is told."""

    rule: Rule[Any]
    theta: Tensor
    """Shape (n_theta,)."""
    optimizee: Optimizee
    objective: Objective
    rate: Rate
    """α, its schedule, shares and decay."""
    n_steps: int
    """S."""
    horizon: int
    """T of the episode."""
    seed: int
    episode: int
    learners: Sequence[int]
    """The chunk's, by their numbers within the job; L of them."""
    by_learner: bool = False
    """Whether the gradient of each learner is asked for, not of their sum."""

    def ends_episode(self, state: EpisodeState) -> bool:
        """Whether no other period follows the one that begins with `state`."""
        return state.step + self.n_steps >= self.horizon


class GradientEstimate(NamedTuple):
    """What one period of one chunk gives."""

    gradient: Tensor
    """Without what `slopes` stand for: summed over the learners, shape (n_theta,), or of each,
    shape (L, n_theta)."""
    slopes: tuple[Tensor, ...]
    """One for each part of the estimator, shape (L, N), weights and 1/N included: factors of
    directions that the adder draws (`meta_gradient`); (L, 0) for parts whose gradient is in
    `gradient`."""
    losses: Tensor
    """Mean scored loss of each learner, over the parts; shape (L,), not finite where one
    diverged."""
    state: EpisodeState | None
    """For the next period; None where the episode is over."""


def estimate_gradient(
    spec: EstimatorSpec, period: Period, state: EpisodeState | None
) -> GradientEstimate:
    """Run one period by the estimator that a job's spec names; `state` is None at the beginning of
    an episode."""
    gradient = _make_zeros(period)
    slopes: list[Tensor] = []
    losses: list[Tensor] = []
    states_after: list[EpisodeState] = []

    part_states = _states_of_parts(spec, period, state)
    for number, (weight, part) in enumerate(parts_of(spec)):
        result = _estimate_part(part, number, period, part_states[number])
        gradient += weight * result.gradient
        slopes += [weight * slope for slope in result.slopes]
        losses.append(result.losses)
        if result.state is not None:
            states_after.append(result.state)

    mean_losses = torch.stack(losses).mean(0)
    return GradientEstimate(gradient, tuple(slopes), mean_losses, _join(states_after))


def meta_gradient(
    spec: EstimatorSpec,
    rule: Rule[Any],
    gradient: Tensor,  # shape: (n_theta,), or (L, n_theta)
    slopes: Sequence[Tensor],  # shapes: (L, N)
    *,
    seed: int,
    episode: int,
    learners: Sequence[int],
) -> Tensor:
    """The gradient of a chunk, or of each of its learners: `gradient` and every slope's direction,
    drawn again from its name.

    `slopes` are those of every part of the estimator, or none. The shape is that of `gradient`.
    """
    total = gradient.clone()
    totals = total.expand(len(learners), -1)  # views: of each learner, or all of the same sum
    parts = parts_of(spec)
    for number, part_slopes in enumerate(slopes):
        _, part = parts[number]
        directions = _draw_directions(part, number, rule, seed, episode, learners)
        rows = zip(totals, directions, part_slopes.tolist(), strict=True)
        for learner_total, learner, learner_slopes in rows:
            for pair, slope in enumerate(learner_slopes):
                learner_total.add_(slope * learner.of(pair).to(total))
    return total


def _states_of_parts(
    spec: EstimatorSpec, period: Period, state: EpisodeState | None
) -> list[EpisodeState]:
    """The particles' states of each part."""
    parts = parts_of(spec)
    if state is None:
        return [begin_episode(period.rule, period.optimizee)] * len(parts)
    if len(parts) == 1:  # read and never written: no copy of what may be megabytes
        return [state]
    n_learners = len(period.learners)
    return split_state(state, [_n_particles(part) * n_learners for _, part in parts])


def _join(states: Sequence[EpisodeState]) -> EpisodeState | None:
    """Those of several parts, or of one, without a copy; None of none."""
    if not states:
        return None
    return states[0] if len(states) == 1 else join_states(states)


def _n_particles(part: PlainEstimatorSpec) -> int:
    return 1 if isinstance(part, TBPTTSpec) else 2 * part.n_pairs


def _estimate_part(
    part: PlainEstimatorSpec, number: int, period: Period, state: EpisodeState
) -> GradientEstimate:
    if isinstance(part, TBPTTSpec):
        return _backpropagate(part, period, state)
    return _perturb(part, number, period, state)


def _backpropagate(part: TBPTTSpec, period: Period, state: EpisodeState) -> GradientEstimate:
    run = (period.rule, period.theta, period.optimizee, state, period.objective)
    differentiate = differentiate_period
    if part.order == 2 or period.by_learner:
        differentiate = partial(
            differentiate_learners,
            order=part.order,
            loss_limit=part.loss_limit,
            adjoint_limit=part.adjoint_limit,
        )

    if part.truncation and part.truncation < period.n_steps:
        result = differentiate_segments(
            *run,
            n_steps=period.n_steps,
            truncation=part.truncation,
            rate=period.rate,
            differentiate=differentiate,
        )
    else:
        result = differentiate(*run, n_steps=period.n_steps, rate=period.rate)

    gradient = result.gradient
    if gradient.dim() == 2 and not period.by_learner:
        gradient = _add_learners(gradient)
    no_slopes = torch.zeros(len(period.learners), 0)
    state_after = None if period.ends_episode(state) else result.state
    return GradientEstimate(gradient, (no_slopes,), result.losses.mean(0), state_after)


def _make_zeros(period: Period) -> Tensor:
    """A gradient to add to, shape (n_theta,), or (L, n_theta)."""
    if period.by_learner:
        return period.theta.new_zeros(len(period.learners), len(period.theta))
    return torch.zeros_like(period.theta)


def _add_learners(
    gradients: Tensor,  # shape: (L, n_theta)
) -> Tensor:
    """Their sum in the order of the learners, shape (n_theta,)."""
    total = torch.zeros_like(gradients[0])
    for gradient in gradients:
        total += gradient
    return total


def _perturb(
    part: EvolutionSpec, number: int, period: Period, state: EpisodeState
) -> GradientEstimate:
    """ES and ES-Single keep one direction for the whole episode, whose slopes are handed on; PES
    draws one for each period, and its slopes count for the sum of those so far."""
    directions = _draw_directions(
        part, number, period.rule, period.seed, period.episode, period.learners
    )
    place = state.step // period.n_steps if isinstance(part, PESSpec) else None
    epsilons = [[own.of(pair, place) for pair in range(part.n_pairs)] for own in directions]
    result = antithetic_pairs(
        period.rule,
        period.theta,
        torch.stack([torch.stack(row) for row in epsilons]),
        period.optimizee,
        _states_of_particles(part, period, state),
        period.objective,
        sigma=part.sigma,
        n_steps=period.n_steps,
        rate=period.rate,
        keep_states=not period.ends_episode(state),
    )

    slopes = result.slopes / part.n_pairs
    state_after = _join(result.states)
    gradient = _make_zeros(period)
    if place is None:
        return GradientEstimate(gradient, (slopes,), result.losses, state_after)

    totals = gradient.expand(len(directions), -1)  # views: of each learner, or all of the same sum
    for total, own, row in zip(totals, directions, slopes.tolist(), strict=True):
        for pair, slope in enumerate(row):
            total.add_(slope * own.accumulated(pair, place + 1).to(gradient))
    return GradientEstimate(gradient, (slopes[:, :0],), result.losses, state_after)


def _states_of_particles(
    part: EvolutionSpec, period: Period, state: EpisodeState
) -> list[EpisodeState]:
    """One for each particle: at first all stand where the learners start."""
    n_particles = _n_particles(part)
    if not state.step:
        return [state] * n_particles
    return split_state(state, [len(period.learners)] * n_particles)


def _draw_directions(
    part: PlainEstimatorSpec,
    number: int,
    rule: Rule[Any],
    seed: int,
    episode: int,
    learners: Sequence[int],
) -> list[Directions]:
    """Those of one part of an estimator, learner by learner."""
    tensors = None if isinstance(part, TBPTTSpec) else part.tensors
    where = None if tensors is None else coordinates_of(rule, tensors)
    return [
        Directions(
            seed=seed,
            part=number,
            episode=episode,
            learner=learner,
            n_theta=rule.n_theta,
            where=where,
        )
        for learner in learners
    ]

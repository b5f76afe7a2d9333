"""From a job's estimator spec to the meta-gradient of one period of one chunk: the parts of a mix,
and their states.

A chunk's state is one `EpisodeState` that holds all parts' particles, L rows for each: one for
TBPTT, 2 N for PES and ES-Single, none for ES, whose episodes begin and end within one call. What
PES accumulates is not in it, for it follows from seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from hyperadam.rates import Rate
from hyperadam.rules import Rule
from torch import Tensor

from meta_trainer.estimators.evolution import antithetic_pairs
from meta_trainer.estimators.objective import Objective
from meta_trainer.estimators.perturbations import Directions, coordinates_of
from meta_trainer.estimators.tbptt import PeriodResult, cut_bptt, one_tape
from meta_trainer.specs import ESSingleSpec, ESSpec, EstimatorSpec, PESSpec, TBPTTSpec, parts_of
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.episodes import EpisodeState, begin, join_states, split_state


@dataclass(frozen=True, kw_only=True, eq=False)
class Period:
    """One period of one chunk: everything that an estimator is told."""

    rule: Rule[Any]
    theta: Tensor
    """Shape (n_theta,)."""
    optimizee: Optimizee
    objective: Objective
    rate: Rate
    """α and its warm-up."""
    n_steps: int
    """S."""
    horizon: int
    """T of the episode."""
    seed: int
    episode: int
    learners: Sequence[int]
    """The chunk's, by their numbers within the job; L of them."""

    def ends_episode(self, state: EpisodeState) -> bool:
        """Whether no other period follows the one that begins with `state`."""
        return state.step + self.n_steps >= self.horizon


class Estimate(NamedTuple):
    """What one period of one chunk gives."""

    gradient: Tensor
    """Summed over the learners, without what `slopes` stand for; shape (n_theta,)."""
    slopes: tuple[Tensor, ...]
    """One for each part of the estimator, shape (L, N), weights and 1/N included: factors of
    directions that the adder draws (`meta_gradient`); (L, 0) for parts whose gradient is in
    `gradient`."""
    losses: Tensor
    """Mean scored loss of each learner, over the parts; shape (L,), not finite where one
    diverged."""
    state: EpisodeState | None
    """For the next period; None where the episode is over."""


def estimate(spec: EstimatorSpec, period: Period, state: EpisodeState | None) -> Estimate:
    """Run one period by the estimator that a job's spec names; `state` is None at the beginning of
    an episode."""
    parts = parts_of(spec)
    groups = _groups(spec, period, state)
    results = [
        _part(part, number, period, group)
        for number, ((_, part), group) in enumerate(zip(parts, groups, strict=True))
    ]
    gradient = torch.zeros_like(period.theta)
    for (weight, _), result in zip(parts, results, strict=True):
        gradient += weight * result.gradient
    slopes = [
        weight * slopes
        for (weight, _), result in zip(parts, results, strict=True)
        for slopes in result.slopes
    ]
    kept = [result.state for result in results if result.state is not None]
    losses = torch.stack([result.losses for result in results]).mean(0)
    return Estimate(gradient, tuple(slopes), losses, _joined(kept))


def meta_gradient(
    spec: EstimatorSpec,
    rule: Rule[Any],
    gradient: Tensor,  # shape: (n_theta,)
    slopes: Sequence[Tensor],  # shapes: (L, N)
    *,
    seed: int,
    episode: int,
    learners: Sequence[int],
) -> Tensor:
    """The gradient of a chunk, shape (n_theta,): `gradient` and every slope's direction, drawn
    again from its name.

    `slopes` are those of every part of the estimator, or none.
    """
    total = gradient.clone()
    parts = parts_of(spec)
    for number, own in enumerate(slopes):
        directions = _directions(parts[number][1], number, rule, seed, episode, learners)
        for each, row in zip(directions, own.tolist(), strict=True):
            for pair, slope in enumerate(row):
                total += slope * each.of(pair).to(total)
    return total


def _groups(spec: EstimatorSpec, period: Period, state: EpisodeState | None) -> list[EpisodeState]:
    """The particles' states of each part."""
    parts = parts_of(spec)
    if state is None:
        return [begin(period.rule, period.optimizee)] * len(parts)
    if len(parts) == 1:  # read and never written: no copy of what may be megabytes
        return [state]
    return split_state(state, [_n_particles(part) * len(period.learners) for _, part in parts])


def _joined(states: Sequence[EpisodeState]) -> EpisodeState | None:
    """Those of several parts, or of one, without a copy; None of none."""
    if not states:
        return None
    return states[0] if len(states) == 1 else join_states(states)


def _n_particles(part: TBPTTSpec | ESSpec | PESSpec | ESSingleSpec) -> int:
    return 1 if isinstance(part, TBPTTSpec) else 2 * part.n_pairs


def _part(
    part: TBPTTSpec | ESSpec | PESSpec | ESSingleSpec,
    number: int,
    period: Period,
    state: EpisodeState,
) -> Estimate:
    if isinstance(part, TBPTTSpec):
        return _bptt(part, period, state)
    return _evolution(part, number, period, state)


def _bptt(part: TBPTTSpec, period: Period, state: EpisodeState) -> Estimate:
    fixed = period.rule, period.theta, period.optimizee, state, period.objective
    if part.truncation and part.truncation < period.n_steps:
        result: PeriodResult = cut_bptt(
            *fixed, n_steps=period.n_steps, truncation=part.truncation, rate=period.rate
        )
    else:
        result = one_tape(*fixed, n_steps=period.n_steps, rate=period.rate)
    slopes = torch.zeros(len(period.learners), 0)
    after = None if period.ends_episode(state) else result.state
    return Estimate(result.gradient, (slopes,), result.losses.mean(0), after)


def _evolution(
    part: ESSpec | PESSpec | ESSingleSpec, number: int, period: Period, state: EpisodeState
) -> Estimate:
    drawn = _directions(part, number, period.rule, period.seed, period.episode, period.learners)
    within = state.step // period.n_steps if isinstance(part, PESSpec) else None
    directions = torch.stack(
        [torch.stack([own.of(i, within) for i in range(part.n_pairs)]) for own in drawn]
    )
    n = 2 * part.n_pairs
    states = [state] * n if not state.step else split_state(state, [len(period.learners)] * n)
    result = antithetic_pairs(
        period.rule,
        period.theta,
        directions,
        period.optimizee,
        states,
        period.objective,
        sigma=part.sigma,
        n_steps=period.n_steps,
        rate=period.rate,
        keep_states=not period.ends_episode(state),
    )
    after = _joined(result.states)
    gradient, slopes = torch.zeros_like(period.theta), result.slopes / part.n_pairs
    if within is None:
        return Estimate(gradient, (slopes,), result.losses, after)
    for own, row in zip(drawn, slopes.tolist(), strict=True):
        for pair, slope in enumerate(row):
            gradient += slope * own.accumulated(pair, within + 1).to(gradient)
    return Estimate(gradient, (slopes[:, :0],), result.losses, after)


def _directions(
    part: TBPTTSpec | ESSpec | PESSpec | ESSingleSpec,
    number: int,
    rule: Rule[Any],
    seed: int,
    episode: int,
    learners: Sequence[int],
) -> list[Directions]:
    """Those of one part of an estimator, learner by learner."""
    tensors = None if isinstance(part, TBPTTSpec) else part.tensors
    where = None if tensors is None else coordinates_of(rule, tensors)
    fixed: dict[str, Any] = {
        "seed": seed,
        "part": number,
        "episode": episode,
        "n_theta": rule.n_theta,
        "where": where,
    }
    return [Directions(learner=learner, **fixed) for learner in learners]

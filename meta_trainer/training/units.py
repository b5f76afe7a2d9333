"""The units of work that runners carry out: pure functions of (Θ, state, seeds).

Each runs a fixed chunk of learners on one thread, so its result does not depend on where it runs,
on what runs beside it, or on how many workers there are. Everything that goes in or out is data:
specs, tensors and numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, NamedTuple

import torch
from hyperadam.rules import Rule, rule_from_spec
from torch import Tensor

from meta_trainer.estimators import SMALLEST_LOSS, Objective, Period, estimate, meta_gradient
from meta_trainer.specs import MetaTrainingSpec, RuleSpec, UnrollSpec
from meta_trainer.tasks import TaskSource, build_training_optimizee
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.episodes import EpisodeState
from meta_trainer.unrolls.rollout import Learned, rollouts


class PeriodOutcome(NamedTuple):
    """What the coordinator needs of one chunk's period."""

    gradient: Tensor
    """Summed over the chunk's learners, without what `slopes` stand for; shape (n_theta,)."""
    losses: Tensor
    """Mean scored loss of each learner; shape (L,), not finite where one diverged."""
    slopes: tuple[Tensor, ...] = ()
    """See `meta_trainer.estimators.Estimate`: perturbations do not travel, their seeds and losses
    do."""


class ValidationOutcome(NamedTuple):
    """What became of L plain learners."""

    final_losses: Tensor
    """After each of the spec's H validation horizons; shape (H, L), NaN where a learner
    diverged."""


def run_period(
    spec: MetaTrainingSpec,
    source: TaskSource,
    theta: Tensor,  # shape: (n_theta,)
    episode: int,
    chunk: int,
    state: EpisodeState | None,
) -> tuple[PeriodOutcome, EpisodeState | None]:
    """One period of one chunk; `state` is None at the beginning of an episode."""
    with one_thread():
        horizon, n_steps = spec.horizon_of(episode), spec.period_of(episode)
        optimizee = build_training_optimizee(spec, source, episode, chunk)
        period = Period(
            rule=make_rule(spec.rule),
            theta=theta,
            optimizee=optimizee,
            objective=objective_of(
                spec.unroll, optimizee, state.step if state else 0, n_steps, horizon
            ),
            rate=spec.unroll.rate,
            n_steps=n_steps,
            horizon=horizon,
            seed=spec.seed,
            episode=episode,
            learners=learners_of(spec, chunk),
        )
        result = estimate(spec.estimator, period, state)
        return PeriodOutcome(result.gradient, result.losses, result.slopes), result.state


def chunk_gradient(
    spec: MetaTrainingSpec, episode: int, chunk: int, outcome: PeriodOutcome
) -> Tensor:
    """The meta-gradient of a chunk's period, summed over its learners; shape (n_theta,)."""
    learners = learners_of(spec, chunk)
    how, rule = spec.estimator, make_rule(spec.rule)
    return meta_gradient(
        how,
        rule,
        outcome.gradient,
        outcome.slopes,
        seed=spec.seed,
        episode=episode,
        learners=learners,
    )


def learners_of(spec: MetaTrainingSpec, chunk: int) -> range:
    """The numbers of a chunk's learners within the job."""
    return range(chunk * spec.chunk_size, (chunk + 1) * spec.chunk_size)


def objective_of(
    unroll: UnrollSpec, optimizee: Optimizee, first_step: int, n_steps: int, horizon: int
) -> Objective:
    """How the `n_steps` steps after `first_step` of an episode of `horizon` steps are scored."""
    scale = None
    if unroll.loss_scaling == "initial":
        losses = optimizee.losses(optimizee.start(), 0)
        scale = torch.where(losses.isfinite(), losses.clamp_min(SMALLEST_LOSS), 1.0)
    weights = step_weights(unroll, first_step, horizon, n_steps)
    return Objective(score=unroll.score, meta_loss=unroll.meta_loss, weights=weights, scale=scale)


def step_weights(
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
    t = torch.arange(first_step + 1, first_step + (n_steps or unroll.period or horizon) + 1)
    weights = (unroll.late_weight + 1) * (t / horizon) ** unroll.late_weight
    if not unroll.final_weight:
        return weights
    n_final = min(unroll.final_steps, horizon)
    return (1 - unroll.final_weight) * weights + unroll.final_weight * horizon / n_final * (
        t > horizon - n_final
    )


def run_validation(
    spec: MetaTrainingSpec,
    source: TaskSource,
    theta: Tensor,  # shape: (n_theta,)
    task: int,
    first: int,
    last: int,
) -> ValidationOutcome:
    """Plain episodes of the learners `first` … `last` − 1 of one validation task."""
    with one_thread():
        optimizer = Learned(make_rule(spec.rule), theta, spec.unroll.rate)
        optimizee = source.build_validation(spec, task, range(first, last))
        results = rollouts(optimizer, optimizee, spec.validation_horizons)
        return ValidationOutcome(torch.stack([result.final_losses for result in results]))


def make_rule(spec: RuleSpec) -> Rule[Any]:
    """The rule that a job's spec names."""
    return rule_from_spec(asdict(spec))


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: the partition of its sums, and so their last bits, depends on the
    number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

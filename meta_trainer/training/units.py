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

from meta_trainer.estimators import Period, estimate_gradient, meta_gradient
from meta_trainer.specs import MetaTrainingSpec, RuleSpec
from meta_trainer.tasks import TaskSource, build_training_optimizee
from meta_trainer.tasks.source import select_learners
from meta_trainer.training.kernel import demand_kernel
from meta_trainer.training.objectives import make_objective
from meta_trainer.unrolls.episodes import EpisodeState
from meta_trainer.unrolls.rollout import learned_rollouts


class PeriodOutcome(NamedTuple):
    """What the coordinator needs of one chunk's period."""

    gradient: Tensor
    """Without what `slopes` stand for: summed over the chunk's learners, shape (n_theta,), or of
    each, shape (L, n_theta), where the spec clips them."""
    losses: Tensor
    """Mean scored loss of each learner; shape (L,), not finite where one diverged."""
    slopes: tuple[Tensor, ...] = ()
    """See `meta_trainer.estimators.GradientEstimate`: perturbations do not travel, their seeds and
    losses do."""


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
    kernel: str | None = None,
) -> tuple[PeriodOutcome, EpisodeState | None]:
    """One period of one chunk; `state` is None at the beginning of an episode.

    Raises:
        KernelMissing: what runs the rule here is another kernel than this; None allows any.
    """
    rule = make_rule(spec.rule)
    demand_kernel(rule, kernel)
    horizon = spec.horizon_of(episode)
    n_steps = spec.period_of(episode)
    first_step = state.step if state else 0
    with one_thread():
        optimizee = build_training_optimizee(spec, source, episode, chunk)
        objective = make_objective(spec.unroll, optimizee, first_step, n_steps, horizon)
        period = Period(
            rule=rule,
            theta=theta,
            optimizee=optimizee,
            objective=objective,
            rate=spec.unroll.rate.over(horizon),
            n_steps=n_steps,
            horizon=horizon,
            seed=spec.seed,
            episode=episode,
            learners=select_learners(spec, chunk),
            by_learner=spec.meta_optimizer.clip_learners is not None,
        )
        result = estimate_gradient(spec.estimator, period, state)
    outcome = PeriodOutcome(result.gradient, result.losses, result.slopes)
    return outcome, result.state


def compute_chunk_gradient(
    spec: MetaTrainingSpec, episode: int, chunk: int, outcome: PeriodOutcome
) -> Tensor:
    """The meta-gradient of a chunk's period, summed over its learners, shape (n_theta,); or of
    each, shape (L, n_theta), where the spec clips them."""
    if not outcome.slopes:  # of a thousand chunks, rules would take longer than sums
        return outcome.gradient
    return meta_gradient(
        spec.estimator,
        make_rule(spec.rule),
        outcome.gradient,
        outcome.slopes,
        seed=spec.seed,
        episode=episode,
        learners=select_learners(spec, chunk),
    )


def run_validation(
    spec: MetaTrainingSpec,
    source: TaskSource,
    theta: Tensor,  # shape: (n_theta,)
    task: int,
    first: int,
    last: int,
    kernel: str | None = None,
) -> ValidationOutcome:
    """Plain episodes of the learners `first` … `last` − 1 of one validation task.

    Raises:
        KernelMissing: what runs the rule here is another kernel than this; None allows any.
    """
    rule = make_rule(spec.rule)
    demand_kernel(rule, kernel)
    with one_thread():
        optimizee = source.build_validation(spec, task, range(first, last))
        results = learned_rollouts(
            rule, theta, spec.unroll.rate, optimizee, spec.validation_horizons
        )
        final_losses = torch.stack([result.final_losses for result in results])
    return ValidationOutcome(final_losses)


def make_rule(spec: RuleSpec) -> Rule[Any]:
    """The rule that a job's spec names."""
    return rule_from_spec(asdict(spec))


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: the partition of its sums, and so their last bits, depends on the
    number of threads."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)

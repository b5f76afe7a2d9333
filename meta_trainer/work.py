"""The units of work that runners carry out: pure functions of (Θ, state, seeds).

Each runs a fixed chunk of learners on one thread, so its result does not depend on where it runs, on what runs beside
it, or on how many workers there are. Everything that goes in or out is data: specs, tensors and numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, NamedTuple

import torch
from hyperadam.rules import Rule, rule_from_spec
from torch import Tensor

from meta_trainer.episodes import EpisodeState, begin, training_optimizee
from meta_trainer.estimators import truncated_bptt
from meta_trainer.rollout import LearnedOptimizer, rollout
from meta_trainer.specs import MetaTrainingSpec, RuleSpec, UnrollSpec
from meta_trainer.tasks import TaskSource


class PeriodOutcome(NamedTuple):
    """What the coordinator needs of one chunk's period."""

    gradient: Tensor
    """Summed over the chunk's learners; shape (n_theta,)."""
    losses: Tensor
    """Mean scored loss of each learner; shape (L,), not finite where one diverged."""


class ValidationOutcome(NamedTuple):
    """Final losses of plain learners, shape (L,), NaN where one diverged."""

    final_losses: Tensor


def run_period(
    spec: MetaTrainingSpec,
    source: TaskSource,
    theta: Tensor,  # shape: (n_theta,)
    episode: int,
    chunk: int,
    state: EpisodeState | None,
) -> tuple[PeriodOutcome, EpisodeState]:
    """One period of one chunk; `state` is None at the beginning of an episode."""
    with one_thread():
        rule = make_rule(spec.rule)
        optimizee = training_optimizee(spec, source, episode, chunk)
        state = state or begin(rule, optimizee)
        result = truncated_bptt(
            rule,
            theta,
            optimizee,
            state,
            n_steps=spec.unroll.period,
            lr=spec.unroll.lr,
            score=spec.unroll.score,
            meta_loss=spec.unroll.meta_loss,
            weights=step_weights(spec.unroll, state.step, spec.horizon_of(episode)),
        )
        return PeriodOutcome(result.gradient, result.losses.mean(0)), result.state


def step_weights(unroll: UnrollSpec, first_step: int, horizon: int | None = None) -> Tensor:
    """What the steps after `first_step` count in the meta-loss, (k + 1) (t/T)^k; shape (period,).

    Args:
        horizon: T of the episode; None: that of `unroll`.
    """
    t = torch.arange(first_step + 1, first_step + unroll.period + 1) / (horizon or unroll.horizon)
    return (unroll.late_weight + 1) * t**unroll.late_weight


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
        optimizer = LearnedOptimizer(make_rule(spec.rule), theta, spec.unroll.lr)
        optimizee = source.validation(spec, task, range(first, last))
        return ValidationOutcome(rollout(optimizer, optimizee, spec.unroll.horizon).final_losses)


def make_rule(spec: RuleSpec) -> Rule[Any]:
    """The rule that a job's spec names."""
    return rule_from_spec(asdict(spec))


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: the partition of its sums, and so their last bits, depends on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

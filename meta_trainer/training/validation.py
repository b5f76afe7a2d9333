"""Validation: Θ is measured on plain tasks, and the best is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from meta_trainer.runners import Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import TaskSource
from meta_trainer.training.handles import JobHandles
from meta_trainer.training.units import ValidationOutcome, make_rule, run_validation


class Measured(NamedTuple):
    """A Θ with its best length of steps."""

    theta: Tensor
    """Shape (n_theta,)."""
    loss: float
    """Infinite if any learner diverged with each length."""
    length: float
    """By which its steps were lengthened; 1 without a line search."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BestTheta:
    """The Θ with the lowest validation loss so far."""

    theta: Tensor
    """Shape (n_theta,)."""
    update: int
    """How many updates it had seen."""
    loss: float
    """Infinite before the first validation."""


class Validation:
    """Runs the validation tasks of a job."""

    def __init__(
        self, spec: MetaTrainingSpec, source: TaskSource, runner: Runner, job: JobHandles
    ) -> None:
        self._runner = runner
        self._job = job
        self._rule = make_rule(spec.rule)
        self._lengths = spec.validation.lengths or (1.0,)
        self._n_tasks = source.count_validation_tasks(spec)
        self._n_means = 1 if spec.tasks is None else self._n_tasks
        self._chunks = _cut(spec.validation.n_learners, spec.chunk_size)

    def measure(
        self,
        theta: Tensor,  # shape: (n_theta,)
    ) -> Measured:
        """The best of a Θ with each of the spec's lengths; of equal ones, the shortest."""
        measured = [self._measure_length(theta, length) for length in self._lengths]
        return min(measured, key=lambda one: one.loss)

    def _measure_length(self, theta: Tensor, length: float) -> Measured:
        longer = theta
        if length != 1:
            tensors = dict(self._rule.unpack(theta))
            assert self._rule.log_length is not None
            tensors[self._rule.log_length] = tensors[self._rule.log_length] + math.log(length)
            longer = self._rule.pack(tensors)
        return Measured(longer, self._measure_loss(longer), length)

    def _measure_loss(
        self,
        theta: Tensor,  # shape: (n_theta,)
    ) -> float:
        """Final loss of plain episodes, infinite if any learner diverged.

        It is the mean over the activations of a `task`. Tasks of a distribution may have losses in
        different units, so theirs is the geometric mean of the tasks' means. Over several horizons
        it is the geometric mean too.
        """
        losses = self._run(theta)
        means = losses.view(len(losses), self._n_means, -1).mean(2).flatten().tolist()
        mean = _geometric_mean(means)
        return mean if math.isfinite(mean) else math.inf

    def _run(self, theta: Tensor) -> Tensor:
        """Final losses of all learners of all tasks; shape (H, tasks × learners)."""
        theta_handle = self._runner.put(theta)
        calls = []
        for task in range(self._n_tasks):
            for first, last in self._chunks:
                (call,) = self._runner.call(
                    run_validation,
                    self._job.spec,
                    self._job.source,
                    theta_handle,
                    task,
                    first,
                    last,
                    self._job.kernel,
                )
                calls.append(call)
        outcomes: list[ValidationOutcome] = self._runner.get(calls)
        return torch.cat([outcome.final_losses for outcome in outcomes], dim=1)


def _geometric_mean(values: list[float]) -> float:
    if len(values) == 1:  # its very bits
        return values[0]
    return math.prod(values) ** (1 / len(values))


def _cut(n_learners: int, chunk_size: int) -> list[tuple[int, int]]:
    """First and last + 1 of the learners of every chunk."""
    firsts = range(0, n_learners, chunk_size)
    return [(first, min(first + chunk_size, n_learners)) for first in firsts]

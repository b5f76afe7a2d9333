"""The units of work of an evaluation: pure functions on one thread, whose results do not depend on where they run.

A cell is some starts of one optimizer on one task, or the tuning of one baseline on one task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from hyperadam.rules import rule_from_spec
from torch import Tensor

from meta_trainer.datasets import Data, Dataset
from meta_trainer.evaluation.baselines import BASELINES, HandDesigned
from meta_trainer.evaluation.data import EvaluationData
from meta_trainer.evaluation.testing import measure
from meta_trainer.evaluation.tuning import Tuned, tune
from meta_trainer.learners import Classifier
from meta_trainer.optimizees import Supervised
from meta_trainer.rollout import InnerOptimizer, LearnedOptimizer, rollout
from meta_trainer.specs.suites import Task
from meta_trainer.tasks import optimizee_of
from meta_trainer.work import one_thread


@dataclass(frozen=True)
class Setting:
    """What all optimizers of one task have in common."""

    task: Task
    seed: int

    def optimizee(self, data: Mapping[str, Data], starts: range) -> Supervised:
        """The learners that are reported: the same starts and minibatches for every optimizer."""
        purpose = f"evaluation/{self.task.name}"
        return optimizee_of(self.task.learner, data, self.seed, purpose, [(i,) for i in starts])

    def tuning_optimizee(self, data: Mapping[str, Data], n_starts: int, n_copies: int) -> Supervised:
        """Learners that are never reported; copy k of start i is learner k · n_starts + i."""
        purpose, indices = f"evaluation/{self.task.name}/tuning", [(i,) for i in range(n_starts)] * n_copies
        return optimizee_of(self.task.learner, data, self.seed, purpose, indices)


class Outcome(NamedTuple):
    """What became of L starts."""

    final_losses: Tensor
    """Shape (L,), float64; NaN where a learner diverged."""
    curves: Tensor
    """Loss at w_t on the minibatch of step t; shape (T, L), float64."""
    test: Tensor | None
    """Measures of the last weights on the test split, where there is one; shape (L, 3), see `testing.measure`."""


def run_learned(
    setting: Setting,
    data: EvaluationData,
    starts: range,
    rule_spec: Mapping[str, Any],
    theta: Tensor,  # shape: (n_theta,)
    lr: float,
) -> Outcome:
    """A learned optimizer from some starts, in float32."""
    return _run(setting, data, starts, LearnedOptimizer(rule_from_spec(rule_spec), theta, lr))


def run_baseline(setting: Setting, data: EvaluationData, starts: range, name: str, rate: float) -> Outcome:
    """A baseline from some starts, all at one rate."""
    return _run(setting, data, starts, HandDesigned(BASELINES[name], [rate] * len(starts)))


def run_tuning(setting: Setting, data: EvaluationData, n_starts: int, name: str) -> Tuned:
    """The rate of a baseline for the task."""
    with one_thread():
        return tune(
            BASELINES[name],
            lambda n_copies: setting.tuning_optimizee(data.train, n_starts, n_copies),
            setting.task.horizon,
        )


def _run(setting: Setting, data: EvaluationData, starts: range, optimizer: InnerOptimizer) -> Outcome:
    with one_thread():
        optimizee = setting.optimizee(data.train, starts)
        result = rollout(optimizer, optimizee, setting.task.horizon)
        return Outcome(result.final_losses, result.curves, _test(optimizee, result.parameters, data.test))


def _test(optimizee: Supervised, w: Tensor, test: Dataset | None) -> Tensor | None:
    if test is None:
        return None
    if not isinstance(optimizee.learner, Classifier):
        raise TypeError(f"{type(optimizee.learner).__name__} has no measures on a test split")
    return measure(optimizee.learner, w, test)

"""The units of work of an evaluation: pure functions on one thread, whose results do not depend on where they run.

A cell is some starts of one optimizer on one task, or the tuning of one baseline on one task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from hyperadam.rules import rule_from_spec
from torch import Tensor

from meta_trainer.datasets import Dataset
from meta_trainer.evaluation.baselines import BASELINES, HandDesigned
from meta_trainer.evaluation.suites import Task
from meta_trainer.evaluation.tuning import Tuned, tune
from meta_trainer.optimizees import Optimizee
from meta_trainer.rollout import InnerOptimizer, LearnedOptimizer, rollout
from meta_trainer.work import one_thread


@dataclass(frozen=True)
class Setting:
    """What all optimizers of one task have in common."""

    task: Task
    horizon: int
    seed: int

    def optimizee(self, dataset: Dataset, starts: range) -> Optimizee:
        """The learners that are reported: the same starts and minibatches for every optimizer."""
        return self.task.optimizee(dataset, self.seed, f"evaluation/{self.task.name}", [(i,) for i in starts])

    def tuning_optimizee(self, dataset: Dataset, n_starts: int, n_copies: int) -> Optimizee:
        """Learners that are never reported; copy k of start i is learner k · n_starts + i."""
        indices = [(i,) for i in range(n_starts)] * n_copies
        return self.task.optimizee(dataset, self.seed, f"evaluation/{self.task.name}/tuning", indices)


class Outcome(NamedTuple):
    """What became of L starts."""

    final_losses: Tensor
    """Shape (L,), float64; NaN where a learner diverged."""
    curves: Tensor
    """Loss at w_t on the minibatch of step t; shape (T, L), float64."""


def run_learned(
    setting: Setting,
    dataset: Dataset,
    starts: range,
    rule_spec: Mapping[str, Any],
    theta: Tensor,  # shape: (n_theta,)
    lr: float,
) -> Outcome:
    """A learned optimizer from some starts, in float32."""
    return _run(setting, dataset, starts, LearnedOptimizer(rule_from_spec(rule_spec), theta, lr))


def run_baseline(setting: Setting, dataset: Dataset, starts: range, name: str, rate: float) -> Outcome:
    """A baseline from some starts, all at one rate."""
    return _run(setting, dataset, starts, HandDesigned(BASELINES[name], [rate] * len(starts)))


def run_tuning(setting: Setting, dataset: Dataset, n_starts: int, name: str) -> Tuned:
    """The rate of a baseline for the task."""
    with one_thread():
        return tune(
            BASELINES[name],
            lambda n_copies: setting.tuning_optimizee(dataset, n_starts, n_copies),
            setting.horizon,
        )


def _run(setting: Setting, dataset: Dataset, starts: range, optimizer: InnerOptimizer) -> Outcome:
    with one_thread():
        result = rollout(optimizer, setting.optimizee(dataset, starts), setting.horizon)
        return Outcome(result.final_losses, result.curves)

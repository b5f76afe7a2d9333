"""The units of work of an evaluation: pure functions on one thread, whose results do not depend on
where they run. Each takes the name of its kernel, and raises `KernelMissing` where there is another
one; None allows any.

A cell is some starts of one optimizer on one learner, or the tuning of one rate on it, at one or
several horizons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from hyperadam.rates import Rate
from hyperadam.rules import rule_from_spec
from torch import Tensor

from meta_trainer.datasets import Data, Dataset
from meta_trainer.evaluation.baselines import HandDesigned
from meta_trainer.evaluation.data import EvaluationData
from meta_trainer.evaluation.testing import measure_on_test
from meta_trainer.evaluation.tuning import Tuned, tune
from meta_trainer.evaluation.untuned import Untuned
from meta_trainer.learners import Classifier
from meta_trainer.specs.baselines import Baseline, GridRange, UntunedBaseline
from meta_trainer.specs.suites import SuiteLearner
from meta_trainer.tasks import build_optimizee
from meta_trainer.tasks.optimizees import Supervised
from meta_trainer.training.kernel import demand_kernel
from meta_trainer.training.units import one_thread
from meta_trainer.unrolls.optimizers import InnerOptimizer, Learned, average_weights
from meta_trainer.unrolls.rollout import Rollout, learned_rollouts, rollouts


@dataclass(frozen=True)
class Setting:
    """What all optimizers of one task have in common, and all horizons of one stream."""

    learner: SuiteLearner
    stream: str
    """See `Task.stream`."""
    seed: int
    averaging: float = 0.0
    """η of the average that a run gives in place of its last weights; 0: none."""

    def optimizee(self, data: Mapping[str, Data], starts: range) -> Supervised:
        """The learners that are reported: the same starts and minibatches for every optimizer."""
        names = [(i,) for i in starts]
        return build_optimizee(self.learner, data, self.seed, f"evaluation/{self.stream}", names)

    def tuning_optimizee(
        self, data: Mapping[str, Data], n_starts: int, n_copies: int, batch: int = 0
    ) -> Supervised:
        """Learners that are never reported: of one batch of n_starts after the other, copies. Copy
        k of start i is learner k · n_starts + i."""
        first = batch * n_starts
        names = [(i,) for i in range(first, first + n_starts)] * n_copies
        purpose = f"evaluation/{self.stream}/tuning"
        return build_optimizee(self.learner, data, self.seed, purpose, names)


class Outcome(NamedTuple):
    """What became of L starts."""

    final_losses: Tensor
    """Shape (L,), float64; NaN where a learner diverged."""
    curves: Tensor
    """Loss at w_t on the minibatch of step t; shape (T, L), float64."""
    test: Tensor | None
    """Measures of the last weights on the test split, where there is one; shape (L, 3), see
    `measure_on_test`."""


def run_learned(
    setting: Setting,
    data: EvaluationData,
    starts: range,
    horizons: Sequence[int],
    rule_spec: Mapping[str, Any],
    theta: Tensor,  # shape: (n_theta,)
    rate: Rate,
    kernel: str | None = None,
) -> list[Outcome]:
    """A learned optimizer from some starts, in float32, as it stands after each of the horizons,
    which rise; see `learned_rollouts`."""
    rule = rule_from_spec(rule_spec)
    demand_kernel(rule, kernel)

    def run(optimizee: Supervised) -> list[Rollout]:
        return learned_rollouts(rule, theta, rate, optimizee, horizons, setting.averaging)

    return _run(setting, data, starts, run)


def run_baseline(
    setting: Setting,
    data: EvaluationData,
    starts: range,
    horizons: Sequence[int],
    baseline: Baseline,
    rate: float,
    kernel: str | None = None,
) -> list[Outcome]:
    """A baseline from some starts, all at one rate. One that knows how long its run is runs to one
    horizon."""
    demand_kernel(None, kernel)
    if baseline.knows_length and len(horizons) > 1:
        raise ValueError(f"a course over {horizons[-1]} steps is none over {horizons[0]}")
    own = HandDesigned(baseline, [rate] * len(starts), horizons[-1])
    optimizer = average_weights(own, setting.averaging)
    return _run(setting, data, starts, partial(rollouts, optimizer, horizons=horizons))


def run_untuned(
    setting: Setting,
    data: EvaluationData,
    starts: range,
    horizons: Sequence[int],
    baseline: UntunedBaseline,
    kernel: str | None = None,
) -> list[Outcome]:
    """A baseline from some starts, at its defaults, and with what it averages by itself alone."""
    demand_kernel(None, kernel)
    return _run(setting, data, starts, partial(rollouts, Untuned(baseline), horizons=horizons))


def run_tuning(
    setting: Setting,
    data: EvaluationData,
    n_starts: int,
    horizons: Sequence[int],
    baseline: Baseline,
    kernel: str | None = None,
) -> dict[int, Tuned]:
    """The rates of a baseline by horizon."""
    demand_kernel(None, kernel)

    def make_optimizer(rates: Sequence[float], n_steps: int) -> InnerOptimizer:
        return average_weights(HandDesigned(baseline, rates, n_steps), setting.averaging)

    make_optimizee = partial(setting.tuning_optimizee, data.train, n_starts)
    with one_thread():
        return tune(baseline.grid, make_optimizer, make_optimizee, horizons, baseline.stride)


def run_learned_tuning(
    setting: Setting,
    data: EvaluationData,
    n_starts: int,
    horizons: Sequence[int],
    rule_spec: Mapping[str, Any],
    theta: Tensor,  # shape: (n_theta,)
    rate: Rate,
    grid: GridRange,
    kernel: str | None = None,
) -> dict[int, Tuned]:
    """The α of a learned optimizer by horizon, under the schedule of `rate`."""
    rule = rule_from_spec(rule_spec)
    demand_kernel(rule, kernel)

    def make_optimizer(rates: Sequence[float], n_steps: int) -> InnerOptimizer:
        own = Learned(rule, theta, rate.over(n_steps), rates)
        return average_weights(own, setting.averaging)

    make_optimizee = partial(setting.tuning_optimizee, data.train, n_starts)
    with one_thread():
        return tune(grid, make_optimizer, make_optimizee, horizons)


def _run(
    setting: Setting,
    data: EvaluationData,
    starts: range,
    run: Callable[[Supervised], Sequence[Rollout]],
) -> list[Outcome]:
    with one_thread():
        optimizee = setting.optimizee(data.train, starts)
        return [_make_outcome(optimizee, result, data.test) for result in run(optimizee)]


def _make_outcome(optimizee: Supervised, result: Rollout, test: Dataset | None) -> Outcome:
    measures = _measure_on_test(optimizee, result.parameters, test)
    return Outcome(result.final_losses, result.curves, measures)


def _measure_on_test(optimizee: Supervised, w: Tensor, test: Dataset | None) -> Tensor | None:
    if test is None:
        return None
    learner = optimizee.learner
    if not isinstance(learner, Classifier):
        raise TypeError(f"{type(learner).__name__} has no measures on a test split")
    return measure_on_test(learner, w, test)

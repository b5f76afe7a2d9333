"""Seconds per update, once the gradient is there: optimizers as users run them, timed in turn on
one thread."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import torch
from hyperadam.optimizers import DMOptimizer, HyperAdam, LearnedOptimizer, RNNprop
from hyperadam.theta import Theta
from torch import Tensor
from torch.optim import Optimizer

from meta_trainer.datasets import Data
from meta_trainer.evaluation.rate_trials import rate_at
from meta_trainer.evaluation.untuned import open_optimizers
from meta_trainer.learners import MLP
from meta_trainer.specs.baselines import BASELINES, UntunedBaseline
from meta_trainer.specs.suites import Task
from meta_trainer.tasks import build_optimizee
from meta_trainer.training.kernel import demand_kernel
from meta_trainer.training.units import one_thread

_LEARNED: Final[tuple[type[LearnedOptimizer], ...]] = (HyperAdam, RNNprop, DMOptimizer)


def time_updates(
    task: Task,
    data: Mapping[str, Data],
    seed: int,
    thetas: Mapping[str, bytes],
    baselines: Sequence[str],
    n_repeats: int,
    kernels: Mapping[str, str],
) -> dict[str, list[float]]:
    """Time `task.horizon` updates of each optimizer, one after the other, `n_repeats` times, after
    a round to warm up.

    Each has the parameters of one MLP as a model has them, a weight and a bias a layer, and always
    the same gradient.

    Args:
        thetas: Θ files by the names of the learned optimizers.
        kernels: what is to run each of them.

    Returns:
        Seconds per update of each repeat, by optimizer.

    Raises:
        KernelMissing: another kernel runs one here.
    """
    learned = {name: Theta.from_bytes(file) for name, file in thetas.items()}
    for name, theta in learned.items():
        demand_kernel(theta.rule, kernels[name])
    with one_thread():
        optimizee = build_optimizee(task.learner, data, seed, f"evaluation/{task.name}", [(0,)])
        start = optimizee.start()
        _, gradient = optimizee.losses_and_gradients(start, 0)
        if not isinstance(optimizee.learner, MLP):
            kind = type(optimizee.learner).__name__
            raise TypeError(f"task {task.name} must be an MLP to be timed, got {kind}")
        sizes = optimizee.learner.sizes

        optimizers: dict[str, list[Optimizer]] = {}
        for name, theta in learned.items():
            parameters = _make_parameters(sizes, start[0], gradient[0])
            optimizers[name] = [_make_learned(parameters, theta)]
        for name in baselines:
            parameters = _make_parameters(sizes, start[0], gradient[0])
            optimizers[name] = _make_baseline(parameters, name)

        _time_in_turn(optimizers, task.horizon)  # to warm up
        rounds = [_time_in_turn(optimizers, task.horizon) for _ in range(n_repeats)]
        return {name: [seconds[name] for seconds in rounds] for name in optimizers}


def _make_parameters(
    sizes: Sequence[int], start: Tensor, gradient: Tensor
) -> list[torch.nn.Parameter]:
    """A weight and a bias a layer, with the gradient of each."""
    shapes: list[tuple[int, ...]] = []
    for n_in, n_out in pairwise(sizes):
        shapes += [(n_in, n_out), (n_out,)]
    lengths = [torch.Size(shape).numel() for shape in shapes]
    parameters = []
    for shape, w, g in zip(shapes, start.split(lengths), gradient.split(lengths), strict=True):
        parameter = torch.nn.Parameter(w.clone().view(shape))
        parameter.grad = g.clone().view(shape)
        parameters.append(parameter)
    return parameters


def _make_learned(parameters: list[torch.nn.Parameter], theta: Theta) -> Optimizer:
    kind = theta.rule.spec.kind
    optimizer = next(optimizer for optimizer in _LEARNED if kind in optimizer.rule_kinds)
    return optimizer(parameters, theta)


def _make_baseline(parameters: list[torch.nn.Parameter], name: str) -> list[Optimizer]:
    """As it comes, at some rate: the time does not depend on it."""
    baseline = BASELINES[name]
    if isinstance(baseline, UntunedBaseline):
        return open_optimizers(baseline.optimizer, parameters)
    rate = rate_at(baseline.grid[0])
    return [baseline.optimizer(parameters, lr=rate, **baseline.arguments)]  # type: ignore[call-arg]


def _time_in_turn(optimizers: Mapping[str, list[Optimizer]], n_updates: int) -> dict[str, float]:
    """Seconds per update of each, one after the other."""
    return {name: _time(optimizer, n_updates) for name, optimizer in optimizers.items()}


def _time(optimizers: Sequence[Optimizer], n_updates: int) -> float:
    """
    Args:
        optimizers: which together have all parameters.
    """
    begin = time.perf_counter()
    for _ in range(n_updates):
        for optimizer in optimizers:
            optimizer.step()
    return (time.perf_counter() - begin) / n_updates

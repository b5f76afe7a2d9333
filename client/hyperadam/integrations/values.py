"""What callbacks log of a learned optimizer: names and numbers, made of `optimizer.inspect()`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from hyperadam.optimizers import LearnedOptimizer, TensorInsight

PREFIX: Final = "hyperadam"


def find_learned(optimizers: Iterable[Any]) -> Iterator[LearnedOptimizer]:
    """The learned ones, also inside the wrappers that frameworks put around an optimizer."""
    for optimizer in optimizers:
        inner = optimizer
        while not isinstance(inner, LearnedOptimizer):
            inner = getattr(inner, "optimizer", None)
            if inner is None:
                break
        else:
            yield inner


def measure(optimizer: LearnedOptimizer) -> dict[str, float]:
    """Name → number, of an optimizer that has moved:

    `hyperadam/effective_lr`: α_t of the next step, of the first group;
    `hyperadam/direction_norm`: ‖d‖ over all tensors;
    `hyperadam/relative_step`: how long the step is beside the weights, over all tensors;
    `hyperadam/mixture/j`, `hyperadam/beta/j`, `hyperadam/gamma/j`: means over all coordinates;
    `hyperadam/n_skipped_steps`: left out because of gradients that were not finite.
    """
    insights = optimizer.inspect()
    if not insights:
        return {}
    values = {
        "effective_lr": optimizer.effective_lr(optimizer.param_groups[0]),
        "direction_norm": _join_norms([one.direction_rms for one in insights], insights),
        "relative_step": _measure_relative_step(insights),
        "n_skipped_steps": float(optimizer.n_skipped_steps),
    }
    for name in ("mixture", "beta", "gamma"):
        rows = [getattr(one, name) for one in insights]
        for index, mean in enumerate(_average(rows, insights), 1):
            values[f"{name}/{index}"] = mean
    return {f"{PREFIX}/{name}": value for name, value in values.items()}


def _join_norms(means: Sequence[float], insights: Sequence[TensorInsight]) -> float:
    """From root mean squares of tensors to the norm of all of them."""
    pairs = zip(means, insights, strict=True)
    return math.sqrt(sum(mean * mean * one.n_coordinates for mean, one in pairs))


def _measure_relative_step(insights: Sequence[TensorInsight]) -> float:
    steps = [one.effective_lr * one.direction_rms for one in insights]
    length = _join_norms([one.weight_rms for one in insights], insights)
    return _join_norms(steps, insights) / length if length else math.inf


def _average(
    rows: Sequence[tuple[float, ...]], insights: Sequence[TensorInsight]
) -> Iterator[float]:
    """Means over all coordinates, candidate by candidate."""
    total = sum(one.n_coordinates for one in insights)
    for column in zip(*rows, strict=True):
        pairs = zip(column, insights, strict=True)
        yield sum(value * one.n_coordinates for value, one in pairs) / total

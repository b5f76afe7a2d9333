"""Drawing from a task distribution: a plain task for each chunk of an episode, scales for each of
its learners.

Everything follows from (seed, episode, chunk) and (seed, episode, learner). A range of one number
and a list of one choice give exactly that, so that a distribution can also say a single task.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import torch

from meta_trainer.seeds import make_generator
from meta_trainer.specs import (
    CNNFamily,
    CNNTaskSpec,
    LSTMFamily,
    LSTMTaskSpec,
    MLPFamily,
    MLPTaskSpec,
    PlainTaskSpec,
    TaskDistribution,
)

Item = TypeVar("Item")


class Scales(NamedTuple):
    """What one learner has of its own."""

    init_std: float
    random_scaling: float | None
    """None: as the tricks say."""
    convex_scaling: float | None


class _Draws:
    """Uniform numbers of one name, in order."""

    def __init__(self, g: torch.Generator) -> None:
        self._generator = g

    def unit(self) -> float:
        return float(torch.rand((), generator=self._generator, dtype=torch.float64))

    def choice(self, items: Sequence[Item]) -> Item:
        return items[int(self.unit() * len(items))]

    def weighted(self, items: Sequence[Item], weights: Sequence[float]) -> Item:
        point = self.unit() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            point -= weight
            if point < 0:
                return item
        return items[-1]

    def uniform(self, low: float, high: float) -> float:
        u = self.unit()
        return low if low == high else low + u * (high - low)

    def log_uniform(self, low: float, high: float) -> float:
        u = self.unit()
        return low if low == high else min(high, low * (high / low) ** u)

    def whole(self, low: int, high: int) -> int:
        return low + int(self.unit() * (high - low + 1))

    def log_whole(self, low: int, high: int) -> int:
        return min(high, int(low * math.pow((high + 1) / low, self.unit())))


def sample_task(
    distribution: TaskDistribution, seed: int, episode: int, chunk: int
) -> PlainTaskSpec:
    """The task of one chunk of an episode; its `init_std` is the lowest of the range."""
    draws = _Draws(make_generator(seed, "training/task", episode, chunk))
    family = _family(distribution, draws)
    if isinstance(family, MLPFamily):
        return _mlp(family, draws)
    return _cnn(family, draws) if isinstance(family, CNNFamily) else _lstm(family, draws)


def sample_scales(
    distribution: TaskDistribution, seed: int, episode: int, chunk: int, learner: int
) -> Scales:
    """The scales of one learner of a chunk."""
    family = _family(distribution, _Draws(make_generator(seed, "training/task", episode, chunk)))
    draws = _Draws(make_generator(seed, "training/scales", episode, learner))
    scaling, convex = distribution.random_scaling, distribution.convex_scaling
    return Scales(
        init_std=draws.log_uniform(*family.init_std),
        random_scaling=draws.uniform(*scaling) if scaling else None,
        convex_scaling=draws.uniform(*convex) if convex else None,
    )


def _family(distribution: TaskDistribution, draws: _Draws) -> MLPFamily | CNNFamily | LSTMFamily:
    families = distribution.families
    return draws.weighted(families, [family.share for family in families])


def _mlp(family: MLPFamily, draws: _Draws) -> MLPTaskSpec:
    return MLPTaskSpec(
        dataset=draws.choice(family.datasets),
        activation=draws.choice(family.activations),
        batch_size=draws.choice(family.batch_sizes),
        hidden=tuple(draws.log_whole(*family.width) for _ in range(draws.whole(*family.depth))),
        init_std=family.init_std[0],
    )


def _cnn(family: CNNFamily, draws: _Draws) -> CNNTaskSpec:
    return CNNTaskSpec(
        dataset=draws.choice(family.datasets),
        architecture=draws.choice(family.architectures),
        batch_norm=draws.choice(family.batch_norm),
        dropout=draws.choice(family.dropout),
        batch_size=draws.choice(family.batch_sizes),
        init_std=family.init_std[0],
    )


def _lstm(family: LSTMFamily, draws: _Draws) -> LSTMTaskSpec:
    return LSTMTaskSpec(
        n_layers=draws.choice(family.n_layers),
        hidden=draws.log_whole(*family.hidden),
        noise_std=draws.choice(family.noise_stds),
        batch_size=draws.choice(family.batch_sizes),
        init_std=family.init_std[0],
    )

"""Drawing from a task distribution: a plain task for each chunk of an episode, scales for each of
its learners.

Everything follows from (seed, episode, chunk) and (seed, episode, learner). A range of one number
and a list of one choice give exactly that, so that a distribution can also say a single task.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

import torch

from meta_trainer.seeds import make_generator
from meta_trainer.specs import (
    CNNFamily,
    CNNTaskSpec,
    DescribedFamily,
    DescribedTaskSpec,
    Family,
    ListedFamily,
    LSTMFamily,
    LSTMTaskSpec,
    MLPFamily,
    MLPTaskSpec,
    NetworkFamily,
    NetworkTaskSpec,
    PlainTaskSpec,
    TaskDistribution,
)
from meta_trainer.specs.plain_tasks import start_fields

Item = TypeVar("Item")

MAX_VARIANT: Final = 2**31 - 1


class Scales(NamedTuple):
    """What is drawn for each learner by itself."""

    init_std: float
    random_scaling: float | None
    """The range of its random scaling; None: that of the spec's tricks."""
    convex_scaling: float | None
    """Likewise for the coordinates of its convex part."""


class _Draws:
    """Numbers that one generator draws, in order: one uniform number for each call."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def unit(self) -> float:
        """From U(0, 1)."""
        return float(torch.rand((), generator=self._generator, dtype=torch.float64))

    def choice(self, items: Sequence[Item]) -> Item:
        return items[int(self.unit() * len(items))]

    def weighted_choice(self, items: Sequence[Item], weights: Sequence[float]) -> Item:
        point = self.unit() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            point -= weight
            if point < 0:
                return item
        return items[-1]

    def uniform(self, low: float, high: float) -> float:
        unit = self.unit()
        if low == high:
            return low
        return low + unit * (high - low)

    def log_uniform(self, low: float, high: float) -> float:
        unit = self.unit()
        if low == high:
            return low
        value: float = low * (high / low) ** unit
        return min(high, value)

    def integer(self, low: int, high: int) -> int:
        """Uniform over low … high."""
        return low + int(self.unit() * (high - low + 1))

    def log_integer(self, low: int, high: int) -> int:
        """Log-uniform over low … high."""
        ratio = (high + 1) / low
        return min(high, int(low * math.pow(ratio, self.unit())))


def sample_task(
    distribution: TaskDistribution,
    seed: int,
    episode: int,
    chunk: int,
) -> PlainTaskSpec:
    """The task of one chunk of an episode; its `init_std` is the lowest of the range."""
    draws = _Draws(make_generator(seed, "training/task", episode, chunk))
    family = _draw_family(distribution, draws)
    match family:
        case MLPFamily():
            return _draw_mlp(family, draws)
        case CNNFamily():
            return _draw_cnn(family, draws)
        case LSTMFamily():
            return _draw_lstm(family, draws)
        case NetworkFamily():
            return _draw_network(family, draws)
        case DescribedFamily():
            return _draw_described(family, draws)
        case ListedFamily():
            return draws.choice(family.tasks)


def sample_scales(
    distribution: TaskDistribution,
    seed: int,
    episode: int,
    chunk: int,
    learner: int,
) -> Scales:
    """The scales of one learner of a chunk."""
    task_draws = _Draws(make_generator(seed, "training/task", episode, chunk))
    family = _draw_family(distribution, task_draws)

    if isinstance(family, ListedFamily):
        own_std = task_draws.choice(family.tasks).init_std
        init_std = (own_std, own_std)
    else:
        init_std = family.init_std
    draws = _Draws(make_generator(seed, "training/scales", episode, learner))
    random_scaling = distribution.random_scaling
    convex_scaling = distribution.convex_scaling
    return Scales(
        init_std=draws.log_uniform(*init_std),
        random_scaling=draws.uniform(*random_scaling) if random_scaling else None,
        convex_scaling=draws.uniform(*convex_scaling) if convex_scaling else None,
    )


def _draw_family(distribution: TaskDistribution, draws: _Draws) -> Family:
    families = distribution.families
    return draws.weighted_choice(families, [family.share for family in families])


def _draw_mlp(family: MLPFamily, draws: _Draws) -> MLPTaskSpec:
    return MLPTaskSpec(
        dataset=draws.choice(family.datasets),
        activation=draws.choice(family.activations),
        batch_size=draws.choice(family.batch_sizes),
        hidden=_draw_widths(family, draws),
        side=draws.choice(family.sides),
        **start_fields(draws.choice(family.initializations), family.init_std[0]),
    )


def _draw_widths(family: MLPFamily, draws: _Draws) -> tuple[int, ...]:
    depth = draws.integer(*family.depth)
    return tuple(draws.log_integer(*family.width) for _ in range(depth))


def _draw_cnn(family: CNNFamily, draws: _Draws) -> CNNTaskSpec:
    return CNNTaskSpec(
        dataset=draws.choice(family.datasets),
        architecture=draws.choice(family.architectures),
        batch_norm=draws.choice(family.batch_norm),
        dropout=draws.choice(family.dropout),
        batch_size=draws.choice(family.batch_sizes),
        init_std=family.init_std[0],
    )


def _draw_lstm(family: LSTMFamily, draws: _Draws) -> LSTMTaskSpec:
    return LSTMTaskSpec(
        n_layers=draws.choice(family.n_layers),
        hidden=draws.log_integer(*family.hidden),
        noise_std=draws.choice(family.noise_stds),
        batch_size=draws.choice(family.batch_sizes),
        init_std=family.init_std[0],
    )


def _draw_described(family: DescribedFamily, draws: _Draws) -> DescribedTaskSpec:
    return DescribedTaskSpec(
        blocks=draws.choice(family.networks),
        dataset=draws.choice(family.datasets),
        side=draws.choice(family.sides),
        batch_size=draws.choice(family.batch_sizes),
        init_std=family.init_std[0],
    )


def _draw_network(family: NetworkFamily, draws: _Draws) -> NetworkTaskSpec:
    return NetworkTaskSpec(
        network=draws.choice(family.networks),
        dataset=draws.choice(family.datasets),
        side=draws.choice(family.sides),
        width=draws.choice(family.widths),
        activation=draws.choice(family.activations),
        batch_size=draws.choice(family.batch_sizes),
        variant=draws.integer(0, MAX_VARIANT),
        **start_fields(draws.choice(family.initializations), family.init_std[0]),
        depth=draws.choice(family.depths),
    )

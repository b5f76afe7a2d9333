"""The rate of an optimizer on a task: the best of a grid in steps of √2, on starts that are never
reported.

Rates are tried from coarse to fine: every fourth of the grid, then, halving the step, those beside
the best so far. A best rate on the edge is no best rate: the search goes on beyond it, until the
bounds of all grids are reached. It ends when both √2 neighbours of the best have been tried over
the whole horizon and are no better. Where the final loss has one valley over the rates, that is the
best of the whole grid.

A long horizon is first searched at a fifth of it, and again at a fifth of that, down to some
hundred steps: the best rate there is where the search at the next longer horizon begins, with its
two neighbours alone. `tuning_cache` keeps what was found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self

import torch

from meta_trainer.recorder import finite_or_none
from meta_trainer.specs.baselines import GridRange
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.rollout import InnerOptimizer, rollout

FORMAT_VERSION: Final = 2
"""Raised whenever this module, the baselines or the rollouts change what is found."""

SMALLEST_EXPONENT: Final = -40  # a rate of 1e-6
LARGEST_EXPONENT: Final = 20  # a rate of 1,024
LONG: Final = 500
"""Steps beyond which a search begins at a shorter horizon."""
_SHORTENING: Final = 5
_STRIDES: Final = (4, 2, 1)


@dataclass(frozen=True)
class Tuned:
    """The rate that was found, and all that were tried."""

    rate: float
    on_edge: bool
    """Whether it is the smallest or largest rate that is ever tried, or everything diverged: not a
    true optimum."""
    trials: tuple[tuple[float, float | None], ...]
    """(rate, mean final loss over the tuning starts; None if any diverged), by rising rate."""

    def to_json(self) -> dict[str, Any]:
        return {
            "rate": self.rate,
            "on_edge": self.on_edge,
            "trials": [list(trial) for trial in self.trials],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """
        Raises:
            ValueError: not what `to_json` gave.
        """
        try:
            trials = tuple(
                (float(rate), None if loss is None else float(loss))
                for rate, loss in data["trials"]
            )
            return cls(float(data["rate"]), bool(data["on_edge"]), trials)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a tuned rate: {error!r}") from error


def rate_at(exponent: int) -> float:
    """2^(k/2), the rate at place k of the grid."""
    return math.sqrt(2.0) ** (exponent % 2) * 2.0 ** (exponent // 2)


def build_ladder(horizons: Iterable[int]) -> list[int]:
    """The horizons that are searched on the way to these, rising; the first of them from coarse to
    fine."""
    rungs = set(horizons)
    shortest = min(rungs)
    while shortest > LONG:
        shortest = math.ceil(shortest / _SHORTENING)
        rungs.add(shortest)
    return sorted(rungs)


def tune(
    grid: GridRange,
    make_optimizer: Callable[[Sequence[float]], InnerOptimizer],
    make_optimizee: Callable[[int], Optimizee],
    horizons: Collection[int],
) -> dict[int, Tuned]:
    """For each horizon the rate with the lowest mean final loss; of equal ones the smallest.

    Args:
        grid: where the search begins.
        make_optimizer: gives the optimizer that moves each learner at its own of these rates.
        make_optimizee: gives n copies of the tuning starts as one optimizee, copy after copy; all
            rates that are tried at a time run as one batch.
    """
    tuned_by_horizon: dict[int, Tuned] = {}
    first: Sequence[int] = range(grid[0], grid[1] + 1, _STRIDES[0])
    strides: Sequence[int] = _STRIDES

    for n_steps in build_ladder(horizons):
        try_rates = partial(_try_rates, make_optimizer, make_optimizee, n_steps)
        losses = _search(try_rates, first, strides)
        if n_steps in horizons:
            tuned_by_horizon[n_steps] = _choose(losses)

        # The next longer horizon begins beside the best of this one.
        best = _find_best(losses)
        first = _clamp((best - 1, best, best + 1))
        strides = _STRIDES[-1:]

    return tuned_by_horizon


def _search(
    try_rates: Callable[[list[int]], dict[int, float]], first: Sequence[int], strides: Sequence[int]
) -> dict[int, float]:
    """Losses of `first`, then of those beside the best, at every stride until none is left to
    try."""
    losses = try_rates(list(first))
    for stride in strides:
        untried = _list_untried(losses, stride)
        while untried:
            losses |= try_rates(untried)
            untried = _list_untried(losses, stride)
    return losses


def _list_untried(losses: Mapping[int, float], stride: int) -> list[int]:
    """The rates a stride beside the best that have not been tried."""
    best = _find_best(losses)
    beside = _clamp((best - stride, best + stride))
    return [exponent for exponent in beside if exponent not in losses]


def _choose(losses: Mapping[int, float]) -> Tuned:
    best = _find_best(losses)
    is_bound = best in (SMALLEST_EXPONENT, LARGEST_EXPONENT)
    return Tuned(
        rate=rate_at(best),
        on_edge=is_bound or math.isinf(losses[best]),
        trials=tuple((rate_at(k), finite_or_none(losses[k])) for k in sorted(losses)),
    )


def _find_best(losses: Mapping[int, float]) -> int:
    return min(sorted(losses), key=losses.__getitem__)


def _clamp(exponents: Iterable[int]) -> list[int]:
    """Those within the bounds; one beyond is moved to the bound."""
    return sorted({min(max(k, SMALLEST_EXPONENT), LARGEST_EXPONENT) for k in exponents})


def _try_rates(
    make_optimizer: Callable[[Sequence[float]], InnerOptimizer],
    make_optimizee: Callable[[int], Optimizee],
    n_steps: int,
    exponents: list[int],
) -> dict[int, float]:
    """Mean final losses; infinite where any start diverged."""
    n_copies = len(exponents)
    optimizee = make_optimizee(n_copies)
    n_starts = len(optimizee.start()) // n_copies
    rates = [rate_at(exponent) for exponent in exponents for _ in range(n_starts)]

    result = rollout(make_optimizer(rates), optimizee, n_steps)
    means = result.final_losses.view(n_copies, n_starts).mean(1)
    losses = torch.where(means.isfinite(), means, math.inf)
    return dict(zip(exponents, losses.tolist(), strict=True))

"""The rate of an optimizer on a task: the best of a grid in steps of √2, on starts that are never
reported.

Rates are tried from coarse to fine: every fourth of the grid, then, halving the step, those beside
the best so far. A best rate on the edge is no best rate: the search goes on beyond it, until the
bounds of all grids are reached. It ends when both √2 neighbours of the best have been tried over
the whole horizon and are no better. Where the final loss has one valley over the rates, that is the
best of the whole grid.

Neighbouring rates often differ by less than the noise of a few starts. So those within one standard
error of the best run on as many starts again, twice if need be; the best of that round and its two
neighbours have run on all of its starts.

A long horizon is first searched at a fifth of it, and again at a fifth of that, down to some
hundred steps: the best rate there is where the search at the next longer horizon begins, with its
two neighbours alone. `tuning_cache` keeps what was found.

A baseline may have a stride: then neighbours are so many places apart, from the beginning.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from meta_trainer.evaluation.rate_trials import (
    LARGEST_EXPONENT,
    SMALLEST_EXPONENT,
    MakeOptimizee,
    MakeOptimizer,
    RateTrials,
    clamp,
    rate_at,
)
from meta_trainer.recorder import finite_or_none
from meta_trainer.specs.baselines import GridRange

FORMAT_VERSION: Final = 3
"""Raised whenever this module, the baselines or the rollouts change what is found."""

LONG: Final = 500
"""Steps beyond which a search begins at a shorter horizon."""
SETTLING_ROUNDS: Final = (2, 4)
"""Batches of starts in all, of each round that settles what noise left open."""
_SHORTENING: Final = 5
_STRIDES: Final = (4, 2, 1)

Trial = tuple[float, float | None]
"""A rate, and its mean final loss; None if any start diverged."""


@dataclass(frozen=True)
class Tuned:
    """The rate that was found, and all that were tried."""

    rate: float
    on_edge: bool
    """Whether it is the smallest or largest rate that is ever tried, or everything diverged: not a
    true optimum."""
    trials: tuple[Trial, ...]
    """On the first starts, by rising rate."""
    settled: tuple[Trial, ...] = ()
    """On all starts of the last round, where noise had left the best open; then the rate is the
    best of these."""
    n_starts: int | None = None
    """Of the last round; None: not known."""

    def to_json(self) -> dict[str, Any]:
        return {
            "rate": self.rate,
            "on_edge": self.on_edge,
            "trials": [list(trial) for trial in self.trials],
            "settled": [list(trial) for trial in self.settled],
            "n_starts": self.n_starts,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """
        Raises:
            ValueError: not what `to_json` gave.
        """
        try:
            return cls(
                rate=float(data["rate"]),
                on_edge=bool(data["on_edge"]),
                trials=_read_trials(data["trials"]),
                settled=_read_trials(data["settled"]),
                n_starts=data["n_starts"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a tuned rate: {error!r}") from error


def _read_trials(data: Iterable[tuple[Any, Any]]) -> tuple[Trial, ...]:
    return tuple((float(rate), None if loss is None else float(loss)) for rate, loss in data)


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
    make_optimizer: MakeOptimizer,
    make_optimizee: MakeOptimizee,
    horizons: Collection[int],
    stride: int = 1,
) -> dict[int, Tuned]:
    """For each horizon the rate with the lowest mean final loss; of equal ones the smallest.

    Args:
        grid: where the search begins.
        make_optimizer: for learners side by side, each at a rate of its own.
        make_optimizee: for copies of a batch of tuning starts; all rates that are tried at a time
            run as one.
        stride: places between neighbours where the search ends; more than 1: it begins there, too.
    """
    tuned_by_horizon: dict[int, Tuned] = {}
    strides: tuple[int, ...] = _STRIDES if stride == 1 else (stride,)
    first = list(range(grid[0], grid[1] + 1, strides[0]))

    for n_steps in build_ladder(horizons):
        trials = RateTrials(make_optimizer, make_optimizee, n_steps)
        trials.run(first, 1)
        for width in strides:
            trials.search_neighbours(1, width)

        n_batches = _settle(trials, stride) if n_steps in horizons else 1
        best = trials.find_best(n_batches)
        if n_steps in horizons:
            tuned_by_horizon[n_steps] = _describe(trials, best, n_batches)

        # The next longer horizon begins beside the best of this one.
        first = clamp((best - stride, best, best + stride))
        strides = (stride,)

    return tuned_by_horizon


def _settle(trials: RateTrials, stride: int) -> int:
    """More starts for as long as noise leaves open which rate is the best.

    Returns:
        The batches of the last round.
    """
    n_batches = 1
    for n_more in SETTLING_ROUNDS:
        best = trials.find_best(n_batches)
        contenders = trials.list_contenders(best, n_batches)
        if contenders == [best]:
            break
        trials.run(contenders, n_more)
        trials.search_neighbours(n_more, stride)
        n_batches = n_more
    return n_batches


def _describe(trials: RateTrials, best: int, n_batches: int) -> Tuned:
    is_bound = best in (SMALLEST_EXPONENT, LARGEST_EXPONENT)
    is_settled = n_batches > 1
    return Tuned(
        rate=rate_at(best),
        on_edge=is_bound or math.isinf(trials.mean(best, n_batches)),
        trials=_list_trials(trials, 1),
        settled=_list_trials(trials, n_batches) if is_settled else (),
        n_starts=trials.count_starts(n_batches),
    )


def _list_trials(trials: RateTrials, n_batches: int) -> tuple[Trial, ...]:
    return tuple(
        (rate_at(exponent), finite_or_none(trials.mean(exponent, n_batches)))
        for exponent in trials.list_tried(n_batches)
    )

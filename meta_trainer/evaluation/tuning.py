"""The rate of an optimizer on a task: the best of a grid in steps of √2, on starts that are never
reported.

Rates are tried from coarse to fine: every fourth of the grid, then, halving the step, those beside
the best so far. A best rate on the edge is no best rate: the search goes on beyond it, until the
bounds of all grids are reached. It ends when both √2 neighbours of the best have been tried over
the whole horizon and are no better. Where the final loss has one valley over the rates, that is the
best of the whole grid.

A long horizon is first searched at a fifth of it, and again at a fifth of that, down to some
hundred steps: the best rate there is where the search at the next longer horizon begins, with its
two neighbours alone. What was found is kept by its content: the digest of everything that decides
it.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import torch

from meta_trainer.evaluation.content_cache import key_of, write_whole
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

logger = logging.getLogger(__name__)


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


def rate_of(exponent: int) -> float:
    """2^(k/2)."""
    return math.sqrt(2.0) ** (exponent % 2) * 2.0 ** (exponent // 2)


def ladder(horizons: Iterable[int]) -> list[int]:
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
    optimizer_of: Callable[[Sequence[float]], InnerOptimizer],
    optimizee_of: Callable[[int], Optimizee],
    horizons: Collection[int],
) -> dict[int, Tuned]:
    """For each horizon the rate with the lowest mean final loss; of equal ones the smallest.

    Args:
        grid: where the search begins.
        optimizer_of: gives the optimizer that moves each learner at its own of these rates.
        optimizee_of: gives n copies of the tuning starts as one optimizee, copy after copy; all
            rates that are tried at a time run as one batch.
    """
    found: dict[int, Tuned] = {}
    first: Sequence[int] = range(grid[0], grid[1] + 1, _STRIDES[0])
    strides: Sequence[int] = _STRIDES
    for n_steps in ladder(horizons):
        losses = _search(partial(_try, optimizer_of, optimizee_of, n_steps), first, strides)
        best = _best(losses)
        if n_steps in horizons:
            trials = tuple((rate_of(k), finite_or_none(losses[k])) for k in sorted(losses))
            on_edge = best in (SMALLEST_EXPONENT, LARGEST_EXPONENT) or math.isinf(losses[best])
            found[n_steps] = Tuned(rate_of(best), on_edge, trials)
        first, strides = _inside(range(best - 1, best + 2)), _STRIDES[-1:]
    return found


def _search(
    trial: Callable[[list[int]], dict[int, float]], first: Sequence[int], strides: Sequence[int]
) -> dict[int, float]:
    """Losses of `first`, then of those beside the best, at every stride until none is left to
    try."""
    losses = trial(list(first))
    for stride in strides:
        while new := [
            k for k in _inside((_best(losses) - stride, _best(losses) + stride)) if k not in losses
        ]:
            losses |= trial(new)
    return losses


def _best(losses: Mapping[int, float]) -> int:
    return min(sorted(losses), key=losses.__getitem__)


def _inside(exponents: Iterable[int]) -> list[int]:
    """Those within the bounds; one beyond is moved to the bound."""
    return sorted({min(max(k, SMALLEST_EXPONENT), LARGEST_EXPONENT) for k in exponents})


def _try(
    optimizer_of: Callable[[Sequence[float]], InnerOptimizer],
    optimizee_of: Callable[[int], Optimizee],
    n_steps: int,
    exponents: list[int],
) -> dict[int, float]:
    """Mean final losses; infinite where any start diverged."""
    n_copies, optimizee = len(exponents), optimizee_of(len(exponents))
    rates = [rate_of(k) for k in exponents for _ in range(len(optimizee.start()) // n_copies)]
    finals = (
        rollout(optimizer_of(rates), optimizee, n_steps).final_losses.view(n_copies, -1).mean(1)
    )
    finals = torch.where(finals.isfinite(), finals, math.inf)
    return dict(zip(exponents, finals.tolist(), strict=True))


class TuningCache:
    """Tuned rates by content: in memory, and in a folder when there is one, shared by all
    evaluations of a machine."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder, self._known = folder, dict[str, Tuned]()

    def get(self, content: Mapping[str, Any]) -> Tuned | None:
        """What was found for this content."""
        key = _key(content)
        if (
            key not in self._known
            and self._folder
            and (path := self._folder / f"{key}.json").is_file()
        ):
            try:
                stored = json.loads(path.read_bytes())
                self._known[key] = Tuned.from_json(stored["tuned"])
            except (ValueError, KeyError, TypeError) as error:
                logger.warning("%s is damaged and will be written anew: %s", path, error)
        return self._known.get(key)

    def put(self, content: Mapping[str, Any], tuned: Tuned) -> None:
        """Keep it; the file is written whole or not at all. Where it cannot be written, it is kept
        in memory alone."""
        key = _key(content)
        self._known[key] = tuned
        if self._folder:
            text = json.dumps({"content": dict(content), "tuned": tuned.to_json()}, allow_nan=False)
            try:
                write_whole(self._folder / f"{key}.json", text.encode())
            except OSError as error:
                logger.warning("a tuned rate could not be kept in %s: %s", self._folder, error)


def _key(content: Mapping[str, Any]) -> str:
    return key_of({"format_version": FORMAT_VERSION, "torch": torch.__version__, **content})

"""The rate of a baseline on a task: the best of a grid in steps of √2, on starts that are never reported.

All rates of a grid run as one batch of learners. A best rate on the edge of the grid is no best rate: the grid then
grows beyond that edge, until the best lies inside or the bounds of all grids are reached. What was found is kept by its
content: the digest of everything that decides it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import torch

from meta_trainer.evaluation.baselines import Baseline, HandDesigned
from meta_trainer.optimizees import Optimizee
from meta_trainer.recorder import finite_or_none
from meta_trainer.rollout import rollout

FORMAT_VERSION: Final = 1
"""Raised whenever this module, the baselines or the rollouts change what is found."""

SMALLEST_EXPONENT: Final = -40  # a rate of 1e-6
LARGEST_EXPONENT: Final = 20  # a rate of 1,024
_GROWTH: Final = 4

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tuned:
    """The rate that was found, and all that were tried."""

    rate: float
    on_edge: bool
    """Whether it is the smallest or largest rate that is ever tried, or everything diverged: not a true optimum."""
    trials: tuple[tuple[float, float | None], ...]
    """(rate, mean final loss over the tuning starts; None if any diverged), by rising rate."""

    def to_json(self) -> dict[str, Any]:
        return {"rate": self.rate, "on_edge": self.on_edge, "trials": [list(trial) for trial in self.trials]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """
        Raises:
            ValueError: not what `to_json` gave.
        """
        try:
            trials = tuple((float(rate), None if loss is None else float(loss)) for rate, loss in data["trials"])
            return cls(float(data["rate"]), bool(data["on_edge"]), trials)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a tuned rate: {error!r}") from error


def rate_of(exponent: int) -> float:
    """2^(k/2)."""
    return math.sqrt(2.0) ** (exponent % 2) * 2.0 ** (exponent // 2)


def tune(baseline: Baseline, optimizee_of: Callable[[int], Optimizee], n_steps: int) -> Tuned:
    """The rate with the lowest mean final loss; of equal ones the smallest.

    Args:
        optimizee_of: gives n copies of the tuning starts as one optimizee, copy after copy.
        n_steps: T.
    """
    losses: dict[int, float] = {}
    new = range(baseline.grid[0], baseline.grid[1] + 1)
    while new:
        losses |= _try(baseline, optimizee_of(len(new)), list(new), n_steps)
        best = min(sorted(losses), key=losses.__getitem__)
        new = _beyond_the_edge(best, losses)
    trials = tuple((rate_of(k), finite_or_none(losses[k])) for k in sorted(losses))
    return Tuned(rate_of(best), best in (min(losses), max(losses)) or math.isinf(losses[best]), trials)


def _try(baseline: Baseline, optimizee: Optimizee, exponents: list[int], n_steps: int) -> dict[int, float]:
    n_copies, n_learners = len(exponents), len(optimizee.start())
    rates = [rate_of(k) for k in exponents for _ in range(n_learners // n_copies)]
    finals = rollout(HandDesigned(baseline, rates), optimizee, n_steps).final_losses.view(n_copies, -1).mean(1)
    finals = torch.where(finals.isfinite(), finals, math.inf)
    return dict(zip(exponents, finals.tolist(), strict=True))


def _beyond_the_edge(best: int, losses: Mapping[int, float]) -> range:
    """Exponents still to try; none when the best lies inside, or at a bound."""
    smallest, largest = min(losses), max(losses)
    if best == smallest:  # also when everything diverged
        return range(max(SMALLEST_EXPONENT, smallest - _GROWTH), smallest)
    if best == largest:
        return range(largest + 1, min(LARGEST_EXPONENT, largest + _GROWTH) + 1)
    return range(0)


class TuningCache:
    """Tuned rates by content: in memory, and in a folder when there is one, shared by all evaluations of a machine."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder, self._known = folder, dict[str, Tuned]()

    def get(self, content: Mapping[str, Any]) -> Tuned | None:
        """What was found for this content."""
        key = _key(content)
        if key not in self._known and self._folder and (path := self._folder / f"{key}.json").is_file():
            try:
                stored = json.loads(path.read_bytes())
                self._known[key] = Tuned.from_json(stored["tuned"])
            except (ValueError, KeyError, TypeError) as error:
                logger.warning("%s is damaged and will be written anew: %s", path, error)
        return self._known.get(key)

    def put(self, content: Mapping[str, Any], tuned: Tuned) -> None:
        """Keep it; the file is written whole or not at all."""
        key = _key(content)
        self._known[key] = tuned
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            partial = self._folder / f".{key}.{os.getpid()}.partial"
            partial.write_text(json.dumps({"content": dict(content), "tuned": tuned.to_json()}, allow_nan=False))
            partial.replace(self._folder / f"{key}.json")


def _key(content: Mapping[str, Any]) -> str:
    described = {"format_version": FORMAT_VERSION, "torch": torch.__version__, **content}
    return hashlib.sha256(json.dumps(described, sort_keys=True, allow_nan=False).encode()).hexdigest()

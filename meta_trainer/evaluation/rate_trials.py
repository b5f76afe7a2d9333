"""What rates give on tuning starts: every rate on the same starts, batch after batch of them.

A rate is named by its place k in the grid 2^(k/2), and remembered with the final loss of every
start.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import torch
from torch import Tensor

from meta_trainer.evaluation.statistics import mean_with_error
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.optimizers import InnerOptimizer
from meta_trainer.unrolls.rollout import rollout

SMALLEST_EXPONENT: Final = -40  # a rate of 1e-6
LARGEST_EXPONENT: Final = 20  # a rate of 1,024

MakeOptimizer = Callable[[Sequence[float], int], InnerOptimizer]
"""Gives the optimizer that moves each learner at its own of these rates, for a run of so many
steps."""
MakeOptimizee = Callable[[int, int], Optimizee]
"""Gives n copies of a batch of tuning starts as one optimizee, copy after copy."""


def rate_at(exponent: int) -> float:
    """2^(k/2), the rate at place k of the grid."""
    return math.sqrt(2.0) ** (exponent % 2) * 2.0 ** (exponent // 2)


def clamp(exponents: Iterable[int]) -> list[int]:
    """Those within the bounds; one beyond is moved to the bound."""
    return sorted({min(max(k, SMALLEST_EXPONENT), LARGEST_EXPONENT) for k in exponents})


class RateTrials:
    """The final losses of one optimizer after `n_steps`, by rate."""

    def __init__(
        self, make_optimizer: MakeOptimizer, make_optimizee: MakeOptimizee, n_steps: int
    ) -> None:
        self._make_optimizer = make_optimizer
        self._make_optimizee = make_optimizee
        self._n_steps = n_steps
        self._batches: dict[int, list[Tensor]] = {}
        """Of each rate, the final losses of the batches that it has run on."""

    def run(self, exponents: Iterable[int], n_batches: int) -> None:
        """See to it that these rates have run on the first batches of starts. All that are new to a
        batch run as one."""
        wanted = sorted(set(exponents))
        for exponent in wanted:
            self._batches.setdefault(exponent, [])
        for batch in range(n_batches):
            new = [exponent for exponent in wanted if len(self._batches[exponent]) == batch]
            if new:
                self._run_batch(new, batch)

    def list_tried(self, n_batches: int) -> list[int]:
        """The rates that have run on so many batches, rising."""
        return sorted(k for k, losses in self._batches.items() if len(losses) >= n_batches)

    def count_starts(self, n_batches: int) -> int:
        """Starts in so many batches."""
        of_some_rate = next(losses for losses in self._batches.values() if losses)
        return len(of_some_rate[0]) * n_batches

    def mean(self, exponent: int, n_batches: int) -> float:
        """Mean final loss over the first batches; infinite where any start diverged."""
        mean = float(self._losses(exponent, n_batches).mean())
        return mean if math.isfinite(mean) else math.inf

    def find_best(self, n_batches: int) -> int:
        """Of the rates that have run on so many batches; of equal ones the smallest."""
        return min(self.list_tried(n_batches), key=lambda k: self.mean(k, n_batches))

    def list_contenders(self, best: int, n_batches: int) -> list[int]:
        """The best rate, and those that noise may have kept from being it: whose loss is higher by
        less than one standard error of the paired difference."""
        losses_of_best = self._losses(best, n_batches)
        contenders = [best]
        for exponent in self.list_tried(n_batches):
            losses = self._losses(exponent, n_batches)
            difference = mean_with_error(losses - losses_of_best)
            has_all_starts = difference.n == len(losses)
            if exponent != best and has_all_starts and difference.mean < difference.stderr:
                contenders.append(exponent)
        return contenders

    def search_neighbours(self, n_batches: int, stride: int = 1) -> None:
        """Run those a stride beside the best, until none is left to try."""
        untried = self._list_untried(n_batches, stride)
        while untried:
            self.run(untried, n_batches)
            untried = self._list_untried(n_batches, stride)

    def _list_untried(self, n_batches: int, stride: int) -> list[int]:
        best = self.find_best(n_batches)
        beside = clamp((best - stride, best + stride))
        tried = self.list_tried(n_batches)
        return [exponent for exponent in beside if exponent not in tried]

    def _losses(self, exponent: int, n_batches: int) -> Tensor:
        return torch.cat(self._batches[exponent][:n_batches])

    def _run_batch(self, exponents: list[int], batch: int) -> None:
        n_copies = len(exponents)
        optimizee = self._make_optimizee(n_copies, batch)
        n_starts = len(optimizee.start()) // n_copies
        rates = [rate_at(exponent) for exponent in exponents for _ in range(n_starts)]
        optimizer = self._make_optimizer(rates, self._n_steps)
        result = rollout(optimizer, optimizee, self._n_steps)
        losses_by_copy = result.final_losses.view(n_copies, n_starts)
        for exponent, losses in zip(exponents, losses_by_copy, strict=True):
            self._batches[exponent].append(losses)

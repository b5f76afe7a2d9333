"""Means and standard errors over starts, where a diverged start is counted and never averaged."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import torch
from torch import Tensor

from meta_trainer.recorder import finite_or_none

Verdict = Literal["win", "tie", "loss"]
VERDICTS: Final[tuple[Verdict, ...]] = ("win", "tie", "loss")

SIGNIFICANT_ERRORS: Final = 2.0
"""Standard errors that a paired difference must be away from 0 to be a win or a loss."""


@dataclass(frozen=True)
class MeanWithError:
    """Mean and standard error over the starts that have a finite value; NaN where there are too few
    (1 or 2)."""

    mean: float
    stderr: float
    n: int
    """How many starts have a finite value."""

    def to_json(self) -> dict[str, Any]:
        return {"mean": finite_or_none(self.mean), "stderr": finite_or_none(self.stderr)}


def mean_with_error(values: Tensor) -> MeanWithError:
    """Of values (n,), float64, not finite where a start diverged."""
    finite = values[values.isfinite()]
    n = len(finite)
    mean = float(finite.mean()) if n else math.nan
    stderr = float(finite.std() / math.sqrt(n)) if n > 1 else math.nan
    return MeanWithError(mean, stderr, n)


class RatioSummary(NamedTuple):
    """Ratios over many tasks, the smaller the better; NaN where there is none."""

    geometric_mean: float
    median: float
    worst: float


def summarize_ratios(ratios: Sequence[float]) -> RatioSummary:
    """
    Args:
        ratios: not negative; infinite where the optimizer diverged, NaN where nothing is known,
            which is left out.
    """
    known = [ratio for ratio in ratios if not math.isnan(ratio)]
    if not known:
        return RatioSummary(math.nan, math.nan, math.nan)
    geometric_mean = 0.0
    if min(known) > 0:
        geometric_mean = math.exp(sum(map(math.log, known)) / len(known))
    return RatioSummary(geometric_mean, statistics.median(known), max(known))


def judge(difference: MeanWithError, n_more_diverged: int = 0) -> Verdict:
    """What counts as a win, a tie and a loss: the one rule of all tables, summaries and pages.

    An optimizer that diverges on fewer starts than another wins, on more it loses. Of as many, it
    wins where its loss is lower by more than two standard errors of the paired difference, and
    loses where it is higher by more than two. Everything else is a tie.

    Args:
        difference: of losses, its own minus the other's, start by start.
        n_more_diverged: on how many more starts it diverges than the other.
    """
    if n_more_diverged:
        return "win" if n_more_diverged < 0 else "loss"
    margin = SIGNIFICANT_ERRORS * difference.stderr
    if difference.mean + margin < 0:
        return "win"
    if difference.mean - margin > 0:
        return "loss"
    return "tie"


def mean_curve(losses: Tensor) -> tuple[list[float | None], list[float | None]]:
    """Means and standard errors of losses (T, L) step by step, rounded to six digits."""
    steps = [mean_with_error(row) for row in losses]
    means = [_round_to_six(step.mean) for step in steps]
    errors = [_round_to_six(step.stderr) for step in steps]
    return means, errors


def to_finite_list(values: Tensor) -> list[float | None]:
    """The values as JSON can say them."""
    return [finite_or_none(value) for value in values.tolist()]


def thin_steps(n_steps: int, at_most: int = 500) -> Tensor:
    """Indices of the steps that a curve keeps: all, or evenly spread ones with the first and the
    last."""
    n_indices = min(n_steps, at_most)
    return torch.linspace(0, n_steps - 1, n_indices, dtype=torch.float64).round().long()


def crowd_steps(n_steps: int, at_most: int) -> Tensor:
    """The same, more of them early, where losses change fast: their distances grow evenly."""
    if n_steps <= at_most:
        return torch.arange(n_steps)
    if at_most == 1:
        return torch.zeros(1, dtype=torch.long)
    positions = torch.linspace(0, 1, at_most, dtype=torch.float64).square()
    steps = (positions * (n_steps - 1)).round().long()
    is_new = steps.diff(prepend=steps.new_tensor([-1])) > 0
    return steps[is_new]


def _round_to_six(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None

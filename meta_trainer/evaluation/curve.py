"""A loss curve: means over starts with their standard errors, at some steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from torch import Tensor

from meta_trainer.evaluation.statistics import mean_curve


@dataclass(frozen=True)
class Curve:
    """None stands for what is not finite."""

    steps: Sequence[int]
    means: Sequence[float | None]
    errors: Sequence[float | None]

    @classmethod
    def at(cls, steps: Tensor, losses: Tensor) -> Self:
        """
        Args:
            steps: indices of the losses, rising.
            losses: of every step and start, shape (T, n_starts).
        """
        means, errors = mean_curve(losses[steps])
        return cls(steps.tolist(), means, errors)

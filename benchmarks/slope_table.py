"""Promised slopes beside true ones: means over tasks, their errors, and the table of them.

`benchmarks.slopes` says what they are.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Slope:
    """A mean over tasks."""

    mean: float
    error: float
    """Standard error."""

    @classmethod
    def over_tasks(cls, values: Sequence[float]) -> Self:
        spread = statistics.stdev(values) if len(values) > 1 else math.nan
        return cls(statistics.fmean(values), spread / math.sqrt(len(values)))

    def __str__(self) -> str:
        if 0 < self.error < 5e-5:
            return f"{self.mean:+.1e} ± {self.error:.0e}"
        return f"{self.mean:+.4f} ± {self.error:.4f}"


@dataclass(frozen=True)
class PromisedSlope:
    """What an estimator says of one direction."""

    estimator: str
    direction: str
    true: Slope
    promised: Slope
    difference: Slope
    """Promised less true, task by task."""

    @property
    def ratio(self) -> float:
        """True over promised: 1 if the estimator does not lie, below 0 if its sign is wrong."""
        return self.true.mean / self.promised.mean if self.promised.mean else math.nan

    def to_json(self) -> dict[str, Any]:
        slopes = {"true": self.true, "promised": self.promised, "difference": self.difference}
        return {
            "estimator": self.estimator,
            "direction": self.direction,
            "ratio": self.ratio,
            **{name: [slope.mean, slope.error] for name, slope in slopes.items()},
        }


def format_table(slopes: Sequence[PromisedSlope]) -> str:
    """In Markdown, a column for each direction, a row for each estimator: what it promises, and in
    brackets true over promised. The first row is the truth."""
    estimators = list(dict.fromkeys(slope.estimator for slope in slopes))
    directions = list(dict.fromkeys(slope.direction for slope in slopes))
    cells = {(slope.estimator, slope.direction): slope for slope in slopes}
    lines = [["estimator", *directions], ["---"] * (len(directions) + 1)]
    lines.append(["true", *(str(cells[estimators[0], each].true) for each in directions)])
    for estimator in estimators:
        row = [cells[estimator, direction] for direction in directions]
        lines.append([estimator, *(f"{slope.promised} ({slope.ratio:+.2f})" for slope in row)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

"""What a row of the table is: a ratio that should stay below or above something.

A row is the median of ratios of two times taken in turn, with the range beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.verdicts import Better, judge


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    rounds: int
    """Pairs of times for each ratio."""
    tiny: bool = False
    """Small sizes, which say nothing about speed: to test the benchmarks themselves."""


FULL = Effort(5)
QUICK = Effort(2)
TINY = Effort(1, tiny=True)


@dataclass(frozen=True)
class Measured:
    """What came out."""

    ratios: list[float]
    floor: str = ""
    """What the ratio can reach at best, or what it is a ratio to, in figures."""


class NotMeasured(Exception):
    """This row cannot be measured on this machine; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    name: str
    """For `--only`."""
    what: str
    compared_with: str
    measure: Callable[[Effort], Measured]
    better: Better = "below"
    at_least: float | None = None
    """What must hold; None: the ratio is only reported."""
    aim: float | None = None

    def judge(self, ratio: float) -> str:
        """`aim`, `holds`, `misses` or `report`."""
        return judge(ratio, self.at_least, self.aim, self.better)

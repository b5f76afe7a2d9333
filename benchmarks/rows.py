"""What a row of the table is: a ratio that should stay below or above something, and how it is
measured.

Machines are noisy and shared, so a row is the median of ratios of two times taken in turn, with the
range beside it. Times are processor times of this process wherever all the work is done in it.
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Work = Callable[[], object]


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    rounds: int
    """Pairs of times for each ratio."""
    tiny: bool = False
    """Small sizes, which say nothing about speed: to test the benchmarks themselves."""


FULL, QUICK, TINY = Effort(5), Effort(2), Effort(1, tiny=True)


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
    better: Literal["below", "above"] = "below"
    at_least: float | None = None
    """What must hold; None: the ratio is only reported."""
    aim: float | None = None

    def reaches(self, ratio: float, bound: float | None) -> bool:
        """Whether the ratio is on the good side of the bound; no bound, no good side."""
        return bound is not None and (ratio <= bound if self.better == "below" else ratio >= bound)

    def verdict(self, ratio: float) -> str:
        """`aim`, `holds`, `misses` or `report`."""
        if self.at_least is None:
            return "report"
        if self.reaches(ratio, self.aim):
            return "aim"
        return "holds" if self.reaches(ratio, self.at_least) else "misses"


@dataclass(frozen=True)
class Spread:
    """A ratio as it is printed and written: the median over rounds, and the range."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


def seconds(work: Work, clock: Callable[[], float] = time.process_time) -> float:
    """What one call takes."""
    begin = clock()
    work()
    return clock() - begin


def peak_bytes() -> int:
    """Largest memory of this process so far. What `getrusage` tells on Linux begins with the
    parent's."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )
    lines = (line.split() for line in status.read_text().splitlines())
    return next(int(words[1]) * 1024 for words in lines if words[0] == "VmHWM:")


def in_turn(
    rounds: int, *works: Work, clock: Callable[[], float] = time.process_time
) -> list[list[float]]:
    """Seconds of each of the works, in turn, one entry a round; each has run once before."""
    for work in works:
        work()
    taken = [[seconds(work, clock) for work in works] for _ in range(rounds)]
    return [list(column) for column in zip(*taken, strict=True)]


def ratios(above: list[float], below: list[float], factor: float = 1.0) -> list[float]:
    """Round by round."""
    return [factor * a / b for a, b in zip(above, below, strict=True)]

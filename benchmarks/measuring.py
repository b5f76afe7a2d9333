"""Times and memory of single pieces of work, and what is made of them: ratios and spreads.

Machines are noisy and shared. So two things are compared by times taken in turn, and times are
processor times of this process wherever all the work is done in it.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Work = Callable[[], object]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Spread:
    """Several values of one quantity, as they are printed and written: their median and range."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


def measure_seconds(work: Work, clock: Clock = time.process_time) -> float:
    """What one call takes."""
    begin = clock()
    work()
    return clock() - begin


def measure_in_turn(
    rounds: int, *works: Work, clock: Clock = time.process_time
) -> list[list[float]]:
    """Seconds of each of the works, in turn, one entry a round; each has run once before."""
    for work in works:
        work()

    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, seconds_of_work in zip(works, seconds, strict=True):
            seconds_of_work.append(measure_seconds(work, clock))
    return seconds


def divide(numerators: list[float], denominators: list[float], factor: float = 1.0) -> list[float]:
    """Ratios round by round, times a factor."""
    return [factor * a / b for a, b in zip(numerators, denominators, strict=True)]


def read_peak_bytes() -> int:
    """Largest memory of this process so far.

    What `getrusage` tells on Linux begins with the parent's.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    for line in status.read_text().splitlines():
        words = line.split()
        if words[0] == "VmHWM:":
            return int(words[1]) * 1024
    raise RuntimeError("/proc/self/status does not tell the peak of memory")


def measure_added_bytes(work: Work) -> int:
    """What the work adds to the peak of this process; it says something in a fresh process only."""
    before = read_peak_bytes()
    work()
    return read_peak_bytes() - before


def write_json(target: Path, figures: Any) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(figures, indent=2) + "\n")

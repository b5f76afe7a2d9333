"""What a measurement of the service says: a figure, its bounds, and its line in the table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.verdicts import format_bound, judge


@dataclass(frozen=True, kw_only=True)
class Figure:
    name: str
    value: float
    unit: str
    """`s`, `ms` or `×`, a ratio."""
    at_least: float | None = None
    """What it must stay below; None: it is only reported."""
    aim: float | None = None
    details: Mapping[str, float] | None = None
    """What it is made of."""

    @property
    def verdict(self) -> str:
        """`aim`, `holds`, `misses` or `report`."""
        return judge(self.value, self.at_least, self.aim, "below")

    def line(self) -> str:
        """A row of the table."""
        value = f"{self.value:.2f} {self.unit}"
        bounds = [format_bound(bound, "below") for bound in (self.at_least, self.aim)]
        details = [f"{name} {part:.2f}" for name, part in (self.details or {}).items()]
        return _format_line(self.name, value, *bounds, self.verdict, ", ".join(details))

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


def summarize(milliseconds: list[float]) -> dict[str, float]:
    """Quantiles of the times of many calls."""
    ordered = sorted(milliseconds)
    return {
        "p50": statistics.median(ordered),
        "p99": ordered[round(0.99 * (len(ordered) - 1))],
        "calls": len(ordered),
    }


def _format_line(*cells: str) -> str:
    return "{:44} {:>12} {:>8} {:>7} {:7} {}".format(*cells).rstrip()


HEAD = _format_line("", "figure", "at least", "aim", "verdict", "")

"""What a measurement of the service says: a figure, with what it should stay below, and its line in
the table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


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
        if self.at_least is None:
            return "report"
        if self.aim is not None and self.value <= self.aim:
            return "aim"
        return "holds" if self.value <= self.at_least else "misses"

    def line(self) -> str:
        """A row of the table."""
        bounds = ["" if bound is None else f"≤ {bound:g}" for bound in (self.at_least, self.aim)]
        details = ", ".join(f"{name} {value:.2f}" for name, value in (self.details or {}).items())
        value = f"{self.value:.2f} {self.unit}"
        return f"{self.name:44} {value:>12} {bounds[0]:>8} {bounds[1]:>7} {self.verdict:7} {details}".rstrip()

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


def quantiles(taken: list[float]) -> dict[str, float]:
    """Of the milliseconds of many calls."""
    ordered = sorted(taken)
    return {
        "p50": statistics.median(ordered),
        "p99": ordered[round(0.99 * (len(ordered) - 1))],
        "calls": len(ordered),
    }


HEAD = f"{'':44} {'figure':>12} {'at least':>8} {'aim':>7} {'verdict':7}"

"""Series of numbers that a job measures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from hyperadam.api.decode import Record


@dataclass(frozen=True, kw_only=True)
class MetricPoint(Record):
    """One value of one series."""

    step: int
    value: float | None
    """None: not finite."""
    time: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class MetricSeries:
    """One metric of a job, in the order of steps."""

    name: str
    points: tuple[MetricPoint, ...]

    @property
    def steps(self) -> list[int]:
        return [point.step for point in self.points]

    @property
    def values(self) -> list[float]:
        """NaN where the value was not finite."""
        return [math.nan if point.value is None else point.value for point in self.points]

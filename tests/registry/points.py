"""Points of one series, for the contracts of runs and metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from registry import (
    MetricPoint,
)

START = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def point(step: int, value: float, *, name: str = "meta_loss", minutes: float = 0) -> MetricPoint:
    return MetricPoint(name=name, value=value, step=step, time=START + timedelta(minutes=minutes))


def values(points: list[MetricPoint]) -> list[tuple[int, float]]:
    return [(p.step, p.value) for p in points]

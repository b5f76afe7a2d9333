"""Fewer points of a series that show the same shape: of each stretch of it, the lowest and the
highest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from registry import MetricPoint

MIN_POINTS: Final = 4


def thinned(points: Sequence[MetricPoint], n_points: int) -> list[MetricPoint]:
    """At most `n_points` of the points, in their order: all of them where they are so few, else the
    first, the last and the extremes of equally long stretches between them. A value that is not
    finite counts as an extreme: a run that diverged for a moment shows it.

    Args:
        n_points: at least 4.
    """
    if n_points < MIN_POINTS:
        raise ValueError(f"n_points must be at least {MIN_POINTS}, got {n_points}")
    if len(points) <= n_points:
        return list(points)
    inner, n_stretches = range(1, len(points) - 1), (n_points - 2) // 2
    bounds = [inner.start + len(inner) * index // n_stretches for index in range(n_stretches + 1)]
    kept = {0, len(points) - 1}
    for start, end in pairwise(bounds):
        stretch = range(start, end)
        kept |= {
            min(stretch, key=lambda i: _height(points[i])),
            max(stretch, key=lambda i: _height(points[i])),
        }
    return [points[index] for index in sorted(kept)]


def _height(point: MetricPoint) -> float:
    """Where it stands beside others; NaN above all."""
    return math.inf if math.isnan(point.value) else point.value

"""Fewer points of a series that show the same shape: of each stretch of it, the lowest and the
highest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from registry import MetricPoint

MIN_POINTS: Final = 4


def thin_points(points: Sequence[MetricPoint], n_points: int) -> list[MetricPoint]:
    """At most `n_points` of the points, in their order: all of them where they are so few, else the
    first, the last and the extremes of equally long stretches between them.

    A value that is not finite counts as an extreme: a run that diverged for a moment shows it.

    Args:
        n_points: at least 4.
    """
    if n_points < MIN_POINTS:
        raise ValueError(f"n_points must be at least {MIN_POINTS}, got {n_points}")
    if len(points) <= n_points:
        return list(points)

    heights = [_height(point) for point in points]
    first = 0
    last = len(points) - 1
    n_inner = len(points) - 2
    n_stretches = (n_points - 2) // 2
    bounds = [1 + n_inner * index // n_stretches for index in range(n_stretches + 1)]
    chosen = {first, last}
    for start, end in pairwise(bounds):
        stretch = range(start, end)
        chosen.add(min(stretch, key=heights.__getitem__))
        chosen.add(max(stretch, key=heights.__getitem__))
    return [points[index] for index in sorted(chosen)]


def _height(point: MetricPoint) -> float:
    """Where it stands beside others; NaN above all."""
    return math.inf if math.isnan(point.value) else point.value

"""Thinned series: points of the series itself, few enough, with its ends and extremes."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import MetricPoint
from services.jobs.thinning import MIN_POINTS, thin_points
from tests.services.support import Stage

NOW = datetime.now(UTC)


def series(values: list[float]) -> list[MetricPoint]:
    return [
        MetricPoint(name="loss", value=value, step=step, time=NOW)
        for step, value in enumerate(values)
    ]


@given(st.lists(st.floats(), max_size=300), st.integers(MIN_POINTS, 40))
def test_thinning_keeps_ends_and_extremes(values: list[float], n_points: int) -> None:
    points = series(values)
    thin = thin_points(points, n_points)
    steps = [point.step for point in thin]
    assert len(thin) <= n_points
    assert steps == sorted(set(steps))
    assert all(point is points[point.step] for point in thin)
    if len(points) <= n_points:
        assert len(thin) == len(points)
        return
    assert (steps[0], steps[-1]) == (0, len(points) - 1)
    heights = [math.inf if math.isnan(value) else value for value in values]
    assert {min(heights), max(heights)} <= {heights[step] for step in steps}


def test_a_spike_is_not_lost() -> None:
    values = [1.0] * 10_000
    values[4321] = math.nan
    assert 4321 in [point.step for point in thin_points(series(values), 50)]


def test_too_few_points_show_nothing() -> None:
    with pytest.raises(ValueError, match="n_points must be at least 4"):
        thin_points(series([1.0]), 3)


def test_thinned_series_over_rest(stage: Stage) -> None:
    job = stage.submit()
    stage.tick()
    stage.registry.log_metrics(
        stage.run_id(job), series([abs(step - 500.0) for step in range(1000)])
    )
    path = f"/v1/jobs/{job}/metrics"
    page = stage.client.get(path, params={"name": "loss", "points": 10}).json()
    steps = [point["step"] for point in page["items"]]
    assert len(steps) <= 10
    assert page["next_cursor"] is None
    assert {0, 500, 999} <= set(steps)
    later = stage.client.get(path, params={"name": "loss", "points": 10, "after_step": 989}).json()
    assert [point["step"] for point in later["items"]] == list(range(990, 1000))
    assert stage.client.get(path, params={"name": "loss", "points": 3}).status_code == 422

"""What every backend does with metric series: inherit `MetricContract`, supply `registry`."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import pytest

from registry import (
    MetricPoint,
    Registry,
)
from tests.registry.bad_inputs import (
    BAD_POINTS,
)
from tests.registry.points import point, values


class MetricContract:
    @pytest.fixture
    def run(self, registry: Registry) -> str:
        return registry.open_run("job_1", name="run")

    def test_points_come_back_as_they_were_written(self, registry: Registry, run: str) -> None:
        points = [
            point(0, 0.1),
            point(1, -2.5e-300),
            point(2, 0.0),
            point(7, 1e308),
            point(2**40, 3),
        ]
        registry.log_metrics(run, points)
        assert registry.metrics(run, "meta_loss") == points

    def test_values_that_are_not_finite_come_back(self, registry: Registry, run: str) -> None:
        registry.log_metrics(
            run, [point(0, math.inf), point(1, math.nan), point(2, -math.inf), point(3, 1.7e308)]
        )
        first, second, third, fourth = (p.value for p in registry.metrics(run, "meta_loss"))
        assert (first, third, fourth) == (math.inf, -math.inf, 1.7e308)
        assert math.isnan(second)

    def test_a_retried_step_replaces_the_first(self, registry: Registry, run: str) -> None:
        registry.log_metrics(run, [point(step, 1.0 + step, minutes=step) for step in range(4)])
        registry.log_metrics(
            run, [point(step, 10.0 - step, minutes=60 + step) for step in (2, 3, 4)]
        )
        registry.log_metrics(run, [point(3, math.nan, minutes=90)])
        read = values(registry.metrics(run, "meta_loss"))
        assert read[:3] == [(0, 1.0), (1, 2.0), (2, 8.0)]
        assert math.isnan(read[3][1])
        assert read[4] == (4, 6.0)
        assert len(read) == 5

    def test_a_repeated_batch_changes_nothing(self, registry: Registry, run: str) -> None:
        batch = [point(step, float(step)) for step in range(3)]
        registry.log_metrics(run, batch)
        registry.log_metrics(run, [*batch, point(3, 3.0)])
        assert values(registry.metrics(run, "meta_loss")) == [
            (0, 0.0),
            (1, 1.0),
            (2, 2.0),
            (3, 3.0),
        ]

    def test_reading_on_after_a_step(self, registry: Registry, run: str) -> None:
        registry.log_metrics(run, [point(step, float(step)) for step in (5, 1, 3)])
        assert values(registry.metrics(run, "meta_loss", after_step=1)) == [(3, 3.0), (5, 5.0)]
        assert values(registry.metrics(run, "meta_loss", limit=2)) == [(1, 1.0), (3, 3.0)]
        assert values(registry.metrics(run, "meta_loss", after_step=1, limit=1)) == [(3, 3.0)]
        assert registry.metrics(run, "meta_loss", after_step=5) == []

    def test_more_points_than_one_batch_holds(self, registry: Registry, run: str) -> None:
        registry.log_metrics(run, [point(step, step / 7) for step in range(2345)])
        assert values(registry.metrics(run, "meta_loss")) == [
            (step, step / 7) for step in range(2345)
        ]

    def test_series_are_named_and_apart(self, registry: Registry, run: str) -> None:
        other = registry.open_run("job_2", name="other")
        registry.log_metrics(run, [point(0, 1.0, name="b"), point(0, 2.0, name="a")])
        registry.log_metrics(other, [point(0, 3.0, name="c")])
        registry.log_metrics(run, [])
        assert registry.metric_names(run) == ["a", "b"]
        assert values(registry.metrics(run, "a")) == [(0, 2.0)]
        assert registry.metrics(run, "c") == []

    def test_times_are_utc_to_the_millisecond(self, registry: Registry, run: str) -> None:
        local = datetime(2026, 1, 2, 5, 0, 0, 123999, tzinfo=timezone(timedelta(hours=2)))
        registry.log_metrics(run, [MetricPoint(name="a", value=1, step=0, time=local)])
        (read,) = registry.metrics(run, "a")
        assert read.time.isoformat() == "2026-01-02T03:00:00.123000+00:00"

    def test_one_bad_point_refuses_the_batch(
        self, registry: Registry, run: str, subtests: pytest.Subtests
    ) -> None:
        for bad, message in BAD_POINTS:
            with subtests.test(bad=bad):
                with pytest.raises(ValueError, match=message):
                    registry.log_metrics(run, [point(0, 1.0), bad])
                assert registry.metric_names(run) == []

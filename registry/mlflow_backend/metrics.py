"""Metric series: batches in, points by step out.

MLflow keeps every point that was ever logged and orders them by time; readers want one a step. On
SQL stores the series is read by its index on steps, so that a follower pays for what is new; an
MLflow server can only give all of it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from mlflow.entities import Metric
from mlflow.store.tracking.dbmodels.models import SqlMetric
from sqlalchemy import Engine, select

from registry import checks
from registry.contract import MetricPoint
from registry.mlflow_backend.connection import Store
from registry.mlflow_backend.errors import translated

MAX_POINTS_PER_BATCH: Final = 1000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INFINITY_IN_MLFLOW: Final = sys.float_info.max
"""MLflow writes this for infinity, so it is read as that; the largest finite number is written as
its neighbour."""


class Metrics:
    """The series of runs; the caller has made sure that a run exists."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def log(self, run_id: str, points: Sequence[MetricPoint]) -> None:
        checks.check_points(points)
        metrics = [
            Metric(point.name, _to_mlflow(point.value), _milliseconds(point.time), point.step)
            for point in points
        ]
        for start in range(0, len(metrics), MAX_POINTS_PER_BATCH):
            with translated():
                self._store.client.log_batch(
                    run_id, metrics=metrics[start : start + MAX_POINTS_PER_BATCH]
                )

    def read(self, run_id: str, name: str, after_step: int, limit: int | None) -> list[MetricPoint]:
        with translated():
            if self._store.engine is None:
                rows = self._from_server(run_id, name, after_step)
            else:
                rows = _from_database(self._store.engine, run_id, name, after_step, limit)
            return list(islice(_last_of_each_step(name, rows), limit))

    def _from_server(self, run_id: str, name: str, after_step: int) -> Sequence[Any]:
        history = self._store.client.get_metric_history(run_id, name)
        return sorted(
            (m for m in history if m.step > after_step), key=lambda m: (m.step, m.timestamp)
        )


def _from_database(
    engine: Engine, run_id: str, name: str, after_step: int, limit: int | None
) -> Sequence[Any]:
    table = SqlMetric.__table__.c
    asked = (table.run_uuid == run_id, table.key == name, table.step > after_step)
    query = select(table.step, table.timestamp, table.value, table.is_nan).where(*asked)
    if limit is not None:
        steps = select(table.step).where(*asked).distinct().order_by(table.step).limit(limit)
        query = query.where(table.step.in_(steps))
    with engine.connect() as connection:
        return connection.execute(query.order_by(table.step, table.timestamp)).all()


def _last_of_each_step(name: str, rows: Iterable[Any]) -> Iterator[MetricPoint]:
    """Rows in the order of (step, time) → the last one of each step."""
    last = None
    for row in rows:
        if last is not None and row.step != last.step:
            yield _point(name, last)
        last = row
    if last is not None:
        yield _point(name, last)


def _point(name: str, row: Any) -> MetricPoint:
    value = math.nan if getattr(row, "is_nan", False) else _from_mlflow(row.value)
    return MetricPoint(
        name=name, value=value, step=row.step, time=_EPOCH + timedelta(milliseconds=row.timestamp)
    )


def _to_mlflow(value: float) -> float:
    finite = abs(value) == _INFINITY_IN_MLFLOW
    return math.copysign(math.nextafter(_INFINITY_IN_MLFLOW, 0), value) if finite else float(value)


def _from_mlflow(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) >= _INFINITY_IN_MLFLOW else value


def _milliseconds(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(milliseconds=1)

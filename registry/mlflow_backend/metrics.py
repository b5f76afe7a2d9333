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
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric
from sqlalchemy import Engine, delete, select

from registry import checks
from registry.mlflow_backend.connection import Store
from registry.mlflow_backend.errors import translate_errors
from registry.records import MetricPoint

MAX_POINTS_PER_BATCH: Final = 1000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INFINITY_IN_MLFLOW: Final = sys.float_info.max
"""MLflow writes this number for infinity, so that it is read as infinity; the number itself is
written as its neighbour."""


class Metrics:
    """The series of runs; the caller has made sure that a run exists."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def log(self, run_id: str, points: Sequence[MetricPoint]) -> None:
        checks.check_points(points)
        metrics = [_to_mlflow(point) for point in points]
        for start in range(0, len(metrics), MAX_POINTS_PER_BATCH):
            batch = metrics[start : start + MAX_POINTS_PER_BATCH]
            with translate_errors():
                self._store.client.log_batch(run_id, metrics=batch)

    def read(self, run_id: str, name: str, after_step: int, limit: int | None) -> list[MetricPoint]:
        with translate_errors():
            if self._store.engine is None:
                rows = self._read_server(run_id, name, after_step)
            else:
                rows = _read_database(self._store.engine, run_id, name, after_step, limit)

        points = (_read_point(name, row) for row in _last_of_each_step(rows))
        return list(islice(points, limit))

    def delete(self, run_id: str) -> None:
        """Remove the run's series. An MLflow server keeps them until the run itself is gone."""
        engine = self._store.engine
        if engine is None:
            return
        with translate_errors(), engine.begin() as connection:
            for model in (SqlMetric, SqlLatestMetric):
                table = model.__table__
                connection.execute(delete(table).where(table.c.run_uuid == run_id))

    def _read_server(self, run_id: str, name: str, after_step: int) -> Sequence[Any]:
        history = self._store.client.get_metric_history(run_id, name)
        rows = [metric for metric in history if metric.step > after_step]
        return sorted(rows, key=lambda metric: (metric.step, metric.timestamp))


def _read_database(
    engine: Engine,
    run_id: str,
    name: str,
    after_step: int,
    limit: int | None,
) -> Sequence[Any]:
    table = SqlMetric.__table__.c
    conditions = (table.run_uuid == run_id, table.key == name, table.step > after_step)
    query = (
        select(table.step, table.timestamp, table.value, table.is_nan)
        .where(*conditions)
        .order_by(table.step, table.timestamp)
    )
    if limit is not None:
        steps = select(table.step).where(*conditions).distinct().order_by(table.step).limit(limit)
        query = query.where(table.step.in_(steps))

    with engine.connect() as connection:
        return connection.execute(query).all()


def _last_of_each_step(rows: Iterable[Any]) -> Iterator[Any]:
    """Of rows in the order of (step, time), the last one of each step."""
    last = None
    for row in rows:
        if last is not None and row.step != last.step:
            yield last
        last = row
    if last is not None:
        yield last


def _to_mlflow(point: MetricPoint) -> Metric:
    value = float(point.value)
    if abs(value) == _INFINITY_IN_MLFLOW:
        value = math.copysign(math.nextafter(_INFINITY_IN_MLFLOW, 0), value)
    milliseconds = (point.time - _EPOCH) // timedelta(milliseconds=1)
    return Metric(point.name, value, milliseconds, point.step)


def _read_point(name: str, row: Any) -> MetricPoint:
    value = row.value
    if getattr(row, "is_nan", False):
        value = math.nan
    elif abs(value) >= _INFINITY_IN_MLFLOW:
        value = math.copysign(math.inf, value)

    time = _EPOCH + timedelta(milliseconds=row.timestamp)
    return MetricPoint(name=name, value=value, step=row.step, time=time)

"""Figures about jobs, read from the database when Prometheus asks: the same from every process of the service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import structlog
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Row, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from services.database.base import Database, now
from services.jobs.lifecycle import ACTIVE, State
from services.jobs.tables import Event, Job

MAX_ACTIVE_JOBS = 100
"""Labels by job are given for the newest active ones only."""

log = structlog.get_logger(__name__)


class JobsCollector(Collector):
    """Jobs by state, the wait of the oldest queued one, and how the active ones do."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: registering must not ask a database that may not be there yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("hyperadam_database_up", "Whether the database answered.")
        try:
            with self._database.read() as session:
                figures = [_by_state(session), _oldest_wait(session), *_active(session)]
        except SQLAlchemyError as error:
            log.warning("metrics.database_failed", error=type(error).__name__)
            figures = []
        up.add_metric([], float(bool(figures)))
        yield up
        yield from figures


def _by_state(session: Session) -> Metric:
    rows = session.execute(select(Job.state, func.count()).group_by(Job.state))
    counts = {row.state: row[1] for row in rows}
    family = GaugeMetricFamily("hyperadam_jobs", "Jobs by state.", labels=["state"])
    for state in State:
        family.add_metric([state.value], counts.get(state.value, 0))
    return family


def _oldest_wait(session: Session) -> Metric:
    oldest: datetime | None = session.scalar(
        select(Job.created_at).where(Job.state == State.QUEUED).order_by(Job.seq).limit(1)
    )
    family = GaugeMetricFamily("hyperadam_queue_oldest_wait_seconds", "Age of the oldest queued job; 0 with none.")
    family.add_metric([], max(0.0, (now() - oldest).total_seconds()) if oldest is not None else 0.0)
    return family


def _active(session: Session) -> Sequence[Metric]:
    progress = GaugeMetricFamily("hyperadam_job_progress_ratio", "Progress of an active job.", labels=["job"])
    loss = GaugeMetricFamily("hyperadam_job_meta_loss", "Newest meta-loss that an active job told of.", labels=["job"])
    for job in _active_jobs(session):
        progress.add_metric([job.id], job.progress)
        value = _newest_progress(session, job.id).get("meta_loss")
        if isinstance(value, (int, float)):
            loss.add_metric([job.id], value)
    return progress, loss


def _active_jobs(session: Session) -> Sequence[Row[str, float]]:
    states = [state.value for state in ACTIVE]
    newest_first = select(Job.id, Job.progress).where(Job.state.in_(states)).order_by(Job.seq.desc())
    return session.execute(newest_first.limit(MAX_ACTIVE_JOBS)).all()


def _newest_progress(session: Session, job_id: str) -> dict[str, Any]:
    newest_first = select(Event.data).where(Event.job_id == job_id, Event.type == "progress").order_by(Event.id.desc())
    return session.scalar(newest_first.limit(1)) or {}

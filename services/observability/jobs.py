"""Figures about jobs, read from the database when Prometheus asks: the same from every process of
the service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import structlog
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Row, and_, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from services.database.base import Database, now
from services.health.checks import OK
from services.jobs.lifecycle import ACTIVE, State
from services.jobs.tables import Attempt, Event, Job
from services.reconciler import lease

MAX_ACTIVE_JOBS: Final = 100
"""Labels by job are given for the newest active ones only."""
N_WAITS: Final = 100
"""Jobs whose wait in the queue is summed up: the newest that were started."""
QUANTILES: Final = (0.5, 0.9, 1.0)

PROGRESS: Final[Mapping[str, tuple[str, str]]] = {
    "meta_loss": ("hyperadam_job_meta_loss", "Newest meta-loss that an active job told of."),
    "period_seconds": (
        "hyperadam_job_period_seconds",
        "Time that the newest period of an active job took.",
    ),
    "learner_steps_per_second": (
        "hyperadam_job_learner_steps_per_second",
        "Steps of all learners of an active job.",
    ),
    "n_workers": ("hyperadam_job_workers", "Workers alive that an active job can use."),
}
"""Member of a driver's `progress` event → name and help of the gauge that shows it."""

log = structlog.get_logger(__name__)


class JobsCollector(Collector):
    """Jobs by state, waits in the queue, the reconciler and its executor, and how the active jobs
    do."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: registering must not ask a database that may not be there yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("hyperadam_database_up", "Whether the database answered.")
        try:
            with self._database.read() as session:
                figures = [
                    _by_state(session),
                    _oldest_wait(session),
                    _waits(session),
                    *_active(session),
                ]
            figures += _parts(self._database)
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
    family = GaugeMetricFamily(
        "hyperadam_queue_oldest_wait_seconds", "Age of the oldest queued job; 0 with none."
    )
    family.add_metric([], max(0.0, (now() - oldest).total_seconds()) if oldest is not None else 0.0)
    return family


def _waits(session: Session) -> Metric:
    first = and_(Attempt.job_id == Job.id, Attempt.number == 1)
    started = (
        select(Job.created_at, Attempt.created_at)
        .join(Attempt, first)
        .order_by(Job.seq.desc())
        .limit(N_WAITS)
    )
    waits = sorted(
        (taken - submitted).total_seconds() for submitted, taken in session.execute(started)
    )
    family = GaugeMetricFamily(
        "hyperadam_queue_wait_seconds",
        f"Time from submission to the first attempt, of the newest {N_WAITS} jobs that were started.",
        labels=["quantile"],
    )
    for share in QUANTILES if waits else ():
        family.add_metric([f"{share:g}"], max(0.0, waits[round(share * (len(waits) - 1))]))
    return family


def _parts(database: Database) -> Sequence[Metric]:
    found = lease.status(database)
    return [
        GaugeMetricFamily(f"hyperadam_{part}_up", f"Whether {meaning}.", value=float(finding == OK))
        for part, finding, meaning in (
            ("reconciler", found.reconciler, "a reconciler is at work"),
            ("executor", found.executor, "the executor takes jobs, as the reconciler found it"),
        )
    ]


def _active(session: Session) -> Sequence[Metric]:
    progress = GaugeMetricFamily(
        "hyperadam_job_progress_ratio", "Progress of an active job.", labels=["job"]
    )
    told = {member: GaugeMetricFamily(*about, labels=["job"]) for member, about in PROGRESS.items()}
    for job in _active_jobs(session):
        progress.add_metric([job.id], job.progress)
        newest = _newest_progress(session, job.id)
        for member, family in told.items():
            if isinstance(value := newest.get(member), (int, float)):
                family.add_metric([job.id], value)
    return progress, *told.values()


def _active_jobs(session: Session) -> Sequence[Row[str, float]]:
    states = [state.value for state in ACTIVE]
    newest_first = (
        select(Job.id, Job.progress).where(Job.state.in_(states)).order_by(Job.seq.desc())
    )
    return session.execute(newest_first.limit(MAX_ACTIVE_JOBS)).all()


def _newest_progress(session: Session, job_id: str) -> dict[str, Any]:
    newest_first = (
        select(Event.data)
        .where(Event.job_id == job_id, Event.type == "progress")
        .order_by(Event.id.desc())
    )
    return session.scalar(newest_first.limit(1)) or {}

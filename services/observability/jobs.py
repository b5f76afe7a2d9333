"""Figures about all jobs together, read from the database when Prometheus asks.

They are the same from every process of the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import structlog
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import and_, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from services.database.base import Database, now
from services.health.checks import OK
from services.jobs.lifecycle import State
from services.jobs.tables import Attempt, Job
from services.observability.active_jobs import list_active_jobs, load_newest_progress
from services.reconciler.lease import LeaseStatus, LeaseWatch

N_WAITS: Final = 100
"""Jobs whose wait in the queue is summed up: the newest that were started."""
QUANTILES: Final = (0.5, 0.9, 1.0)

log = structlog.get_logger(__name__)


class JobsCollector(Collector):
    """Jobs by state, waits in the queue, the reconciler and its executor: of the service as a
    whole, for anybody."""

    def __init__(self, database: Database, lease: LeaseWatch) -> None:
        self._database = database
        self._lease = lease

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: registering must not ask a database that may not be there yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("hyperadam_database_up", "Whether the database answered.")
        try:
            with self._database.read() as session:
                figures = [
                    _count_by_state(session),
                    _measure_oldest_wait(session),
                    _measure_waits(session),
                    _count_without_workers(session),
                ]
            figures += _check_parts(self._lease.look())
        except SQLAlchemyError as error:
            log.warning("metrics.database_failed", error=type(error).__name__)
            figures = []
        up.add_metric([], float(bool(figures)))
        yield up
        yield from figures


def _count_by_state(session: Session) -> Metric:
    rows = session.execute(select(Job.state, func.count()).group_by(Job.state))
    counts = dict(rows.all())

    family = GaugeMetricFamily("hyperadam_jobs", "Jobs by state.", labels=["state"])
    for state in State:
        family.add_metric([state.value], counts.get(state.value, 0))
    return family


def _measure_oldest_wait(session: Session) -> Metric:
    submitted_at = session.scalar(
        select(Job.created_at).where(Job.state == State.QUEUED).order_by(Job.seq).limit(1)
    )
    seconds = 0.0
    if submitted_at is not None:
        seconds = max(0.0, (now() - submitted_at).total_seconds())

    family = GaugeMetricFamily(
        "hyperadam_queue_oldest_wait_seconds", "Age of the oldest queued job; 0 with none."
    )
    family.add_metric([], seconds)
    return family


def _measure_waits(session: Session) -> Metric:
    waits = sorted(_list_waits(session))
    family = GaugeMetricFamily(
        "hyperadam_queue_wait_seconds",
        "Time from submission to the first attempt, "
        f"of the newest {N_WAITS} jobs that were started.",
        labels=["quantile"],
    )
    if not waits:
        return family

    for share in QUANTILES:
        seconds = waits[round(share * (len(waits) - 1))]
        family.add_metric([f"{share:g}"], max(0.0, seconds))
    return family


def _list_waits(session: Session) -> list[float]:
    """Seconds from submission to the first attempt, of the newest jobs that were started."""
    is_first = and_(Attempt.job_id == Job.id, Attempt.number == 1)
    newest_first = (
        select(Job.created_at, Attempt.created_at).join(Attempt, is_first).order_by(Job.seq.desc())
    )
    rows = session.execute(newest_first.limit(N_WAITS))
    return [(started_at - submitted_at).total_seconds() for submitted_at, started_at in rows]


def _count_without_workers(session: Session) -> Metric:
    newest = [load_newest_progress(session, job.id) for job in list_active_jobs(session, None)]
    n_jobs = sum(progress.get("n_workers") == 0 for progress in newest)
    return GaugeMetricFamily(
        "hyperadam_jobs_without_workers",
        "Active jobs whose newest progress tells of no worker that is alive.",
        value=float(n_jobs),
    )


def _check_parts(status: LeaseStatus) -> Sequence[Metric]:
    return [
        GaugeMetricFamily(
            "hyperadam_reconciler_up",
            "Whether a reconciler is at work.",
            value=float(status.reconciler == OK),
        ),
        GaugeMetricFamily(
            "hyperadam_executor_up",
            "Whether the executor takes jobs, as the reconciler found it.",
            value=float(status.executor == OK),
        ),
    ]

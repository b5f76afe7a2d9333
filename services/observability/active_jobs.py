"""Figures about active jobs one by one: for whoever has a key, of the projects that it sees."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.database.base import Database
from services.jobs.lifecycle import ACTIVE
from services.jobs.tables import Event, Job

MAX_ACTIVE_JOBS: Final = 100
"""The newest ones: so many series of each metric there are at most."""
_LABELS: Final = ("project", "job")

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


class ActiveJobsCollector(Collector):
    """For one answer.

    Args:
        projects: those whose jobs are told of; None: all.
    """

    def __init__(self, database: Database, projects: Collection[str] | None) -> None:
        self._database = database
        self._projects = projects

    def collect(self) -> Iterator[Metric]:
        ratio = GaugeMetricFamily(
            "hyperadam_job_progress_ratio", "Progress of an active job.", labels=_LABELS
        )
        families = {
            member: GaugeMetricFamily(name, text, labels=_LABELS)
            for member, (name, text) in PROGRESS.items()
        }
        with self._database.read() as session:
            for job in list_active_jobs(session, self._projects):
                ratio.add_metric([job.project, job.id], job.progress)
                progress = load_newest_progress(session, job.id)
                for member, family in families.items():
                    value = progress.get(member)
                    if isinstance(value, (int, float)):
                        family.add_metric([job.project, job.id], value)
        yield ratio
        yield from families.values()


def list_active_jobs(session: Session, projects: Collection[str] | None) -> Sequence[Job]:
    """The newest active jobs of these projects; None: of all."""
    states = [state.value for state in ACTIVE]
    query = select(Job).where(Job.state.in_(states)).order_by(Job.seq.desc())
    if projects is not None:
        query = query.where(Job.project.in_(projects))
    return session.scalars(query.limit(MAX_ACTIVE_JOBS)).all()


def load_newest_progress(session: Session, job_id: str) -> dict[str, Any]:
    """What a job told of itself last; empty: nothing yet."""
    newest_first = (
        select(Event.data)
        .where(Event.job_id == job_id, Event.type == "progress")
        .order_by(Event.id.desc())
    )
    return session.scalar(newest_first.limit(1)) or {}

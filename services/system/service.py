"""The queue, the machines and the versions of everything, as the job store knows them."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from typing import Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from services.auth.scopes import Principal
from services.container import Container
from services.database.facts import read_nodes
from services.jobs.filters import JobFilter
from services.jobs.lifecycle import ACTIVE
from services.jobs.tables import Event, Job
from services.system.schemas import ActiveJob, SystemAnswer

PACKAGES: Final = (
    "hyperadam-server",
    "hyperadam",
    "torch",
    "ray",
    "mlflow",
    "optuna",
    "fastapi",
    "sqlalchemy",
    "pydantic",
)
Conditions = Sequence[ColumnElement[bool]]
MAX_ACTIVE: Final = 200
"""Active jobs that are listed."""


def describe_system(services: Container, principal: Principal) -> SystemAnswer:
    """What the service is and does just now, with the jobs that the principal sees; asks neither
    executor nor registry."""
    settings = services.settings
    is_seen = JobFilter(projects=principal.choose()).conditions()
    with services.database.read() as session:
        return SystemAnswer(
            versions=dict(_list_versions()),
            mlflow_url=settings.mlflow_url or None,
            executor=settings.executor,
            max_running_jobs=settings.max_running_jobs,
            max_running_jobs_per_key=settings.max_running_jobs_per_key,
            queue=_count_by_state(session, is_seen),
            active=_list_active(session, is_seen),
            nodes=read_nodes(session),
        )


@cache
def _list_versions() -> dict[str, str]:
    versions = {name: metadata.version(name) for name in PACKAGES}
    return versions | {"python": platform.python_version()}


def _count_by_state(session: Session, is_seen: Conditions) -> dict[str, int]:
    query = select(Job.state, func.count()).where(*is_seen).group_by(Job.state)
    return dict(session.execute(query.order_by(Job.state)).all())


def _list_active(session: Session, is_seen: Conditions) -> list[ActiveJob]:
    states = [state.value for state in ACTIVE]
    query = select(Job).where(Job.state.in_(states), *is_seen).order_by(Job.seq).limit(MAX_ACTIVE)
    return [_describe_job(session, job) for job in session.scalars(query)]


def _describe_job(session: Session, job: Job) -> ActiveJob:
    return ActiveJob(
        id=job.id,
        name=job.name,
        kind=job.kind,
        state=job.state,
        progress=job.progress,
        eta_seconds=job.eta_seconds,
        started_at=job.started_at,
        attempt=job.attempt,
        n_workers=_find_workers(session, job.id),
    )


def _find_workers(session: Session, job_id: str) -> int | None:
    query = (
        select(Event.data)
        .where(Event.job_id == job_id, Event.type == "progress")
        .order_by(Event.id.desc())
        .limit(1)
    )
    data = session.scalar(query)
    return None if data is None else data.get("n_workers")

"""What a project uses, beside what it may: jobs that wait, jobs at work, cores, and storage.

What could never be is refused when it is submitted. What only has to wait waits in the queue, and
its answer says why.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.jobs.lifecycle import ACTIVE, State
from services.jobs.tables import Job
from services.optimizers.tables import OptimizerName
from services.problems import QuotaExceeded
from services.projects.tables import Project

_ACTIVE: Final = [state.value for state in ACTIVE]
_WAITING: Final = [State.QUEUED.value, State.WAITING.value]


@dataclass(frozen=True, kw_only=True)
class Use:
    """What a project uses now."""

    queued_jobs: int
    """Those that wait for a reason of their own as well."""
    running_jobs: int
    """Those that have an attempt at work."""
    cores: int
    """That its running jobs may make use of."""
    storage_bytes: int
    """Of its jobs' files and logs, as they were measured last, and of uploaded versions."""


def measure_use(session: Session, name: str) -> Use:
    """What a project uses now."""
    stored = func.sum(Job.stored_bytes + Job.log_bytes)
    of_jobs = session.scalar(select(stored).where(Job.project == name)) or 0
    uploaded = func.sum(OptimizerName.uploaded_bytes)
    of_uploads = session.scalar(select(uploaded).where(OptimizerName.project == name)) or 0
    return Use(
        queued_jobs=_count(session, name, _WAITING),
        running_jobs=_count(session, name, _ACTIVE),
        cores=_sum_cores(session, name),
        storage_bytes=int(of_jobs) + int(of_uploads),
    )


def check_queue(session: Session, project: Project) -> None:
    """Another job may wait. The project must be locked, so that no two take the last place.

    Raises:
        QuotaExceeded: as many wait as may, or its storage is full.
    """
    if project.max_queued_jobs is not None:
        n_queued = _count(session, project.name, _WAITING)
        if n_queued >= project.max_queued_jobs:
            raise _exceed(project, "max_queued_jobs", project.max_queued_jobs, n_queued)
    check_storage(session, project)


def check_storage(session: Session, project: Project) -> None:
    """
    Raises:
        QuotaExceeded: the project's storage is full.
    """
    if project.max_storage_bytes is not None:
        n_bytes = measure_use(session, project.name).storage_bytes
        if n_bytes >= project.max_storage_bytes:
            raise _exceed(project, "max_storage_bytes", project.max_storage_bytes, n_bytes)


def check_cores(project: Project, n_cores: int) -> None:
    """
    Raises:
        QuotaExceeded: the job needs more than the project may ever have.
    """
    if project.max_cores is not None and n_cores > project.max_cores:
        raise _exceed(project, "max_cores", project.max_cores, n_cores)


def find_block(session: Session, project: Project, n_cores: int | None = None) -> str | None:
    """Why no job of the project starts now; None: one may.

    Args:
        n_cores: of the job; None: only what keeps all of them.
    """
    name = project.name
    if project.archived_at is not None:
        return f"the project {name!r} is archived"
    n_running = _count(session, name, _ACTIVE)
    if project.max_running_jobs is not None and n_running >= project.max_running_jobs:
        return f"the project {name!r} has {n_running} running jobs, and may have no more"
    if project.max_cores is not None:
        n_used = _sum_cores(session, name)
        if n_used + (n_cores or 1) > project.max_cores:
            return f"the project {name!r} uses {n_used} of its {project.max_cores} cores"
    return None


def load_blocks(session: Session, names: Collection[str]) -> dict[str, str]:
    """Of these projects, those of which no job starts now, and why."""
    blocks = {}
    for project in session.scalars(select(Project).where(Project.name.in_(names))):
        reason = find_block(session, project)
        if reason is not None:
            blocks[project.name] = reason
    return blocks


def _count(session: Session, name: str, states: Collection[str]) -> int:
    query = select(func.count()).where(Job.project == name, Job.state.in_(states))
    return session.scalar(query) or 0


def _sum_cores(session: Session, name: str) -> int:
    n_cores = func.sum(func.coalesce(Job.n_cores, 1))
    query = select(n_cores).where(Job.project == name, Job.state.in_(_ACTIVE))
    return int(session.scalar(query) or 0)


def _exceed(project: Project, quota: str, limit: int, amount: int) -> QuotaExceeded:
    words = {
        "max_queued_jobs": f"{amount} of its jobs wait, and at most {limit} may",
        "max_storage_bytes": f"it stores {amount} bytes, and may store {limit}: delete jobs",
        "max_cores": f"the job needs {amount} cores, and the project has {limit}",
    }
    detail = f"The project {project.name!r} is at its limit {quota}: {words[quota]}."
    return QuotaExceeded(detail, quota=quota, limit=limit, amount=amount)

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

from services.database.base import now
from services.datasets.tables import RegisteredDataset
from services.jobs.lifecycle import ACTIVE, State
from services.jobs.tables import Job
from services.optimizers.tables import UNDER_WAY, OptimizerName, UploadUnderWay
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
    """Of its jobs' files and logs, as they were measured last, of uploaded versions, also those
    that are just being stored, and of registered datasets."""


def measure_use(session: Session, name: str) -> Use:
    """What a project uses now."""
    return Use(
        queued_jobs=_count(session, name, _WAITING),
        running_jobs=_count(session, name, _ACTIVE),
        cores=_sum_cores(session, name),
        storage_bytes=_sum_storage(session, name),
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


def check_storage(session: Session, project: Project, n_bytes: int | None = None) -> None:
    """There is room. The project must be locked, so that no two take the last of it.

    Args:
        n_bytes: of a file that is to be stored; None: of a job, whose files come later.

    Raises:
        QuotaExceeded: the file would be too much, or the project's storage is full.
    """
    limit = project.max_storage_bytes
    if limit is None:
        return
    n_used = _sum_storage(session, project.name)
    if n_bytes is None and n_used >= limit:
        raise _exceed(project, "max_storage_bytes", limit, n_used)
    if n_bytes is not None and n_used + n_bytes > limit:
        raise _exceed(project, "max_storage_bytes", limit, n_used, size=n_bytes)


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


def _sum_storage(session: Session, name: str) -> int:
    """Bytes of all that the project has stored, and of what is being stored."""
    fresh = UploadUnderWay.started_at > now() - UNDER_WAY
    parts = (
        (Job.stored_bytes + Job.log_bytes, Job.project == name),
        (OptimizerName.uploaded_bytes, OptimizerName.project == name),
        (UploadUnderWay.n_bytes, (UploadUnderWay.project == name) & fresh),
        (RegisteredDataset.n_bytes, RegisteredDataset.project == name),
    )
    return sum(
        int(session.scalar(select(func.sum(n_bytes)).where(is_own)) or 0)
        for n_bytes, is_own in parts
    )


def _exceed(
    project: Project, quota: str, limit: int, amount: int, size: int | None = None
) -> QuotaExceeded:
    words = {
        "max_queued_jobs": f"{amount} of its jobs wait, and at most {limit} may",
        "max_storage_bytes": f"it stores {amount} bytes, and may store {limit}",
        "max_cores": f"the job needs {amount} cores, and the project has {limit}",
    }
    detail = f"The project {project.name!r} is at its limit {quota}: {words[quota]}"
    if size is not None:
        detail += f"; the file has {size}"
    if quota == "max_storage_bytes":
        detail += ": delete jobs, versions or datasets"
    problem = QuotaExceeded(f"{detail}.", quota=quota, limit=limit, amount=amount)
    if size is not None:
        problem.extra["size"] = size
    return problem

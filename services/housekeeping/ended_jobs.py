"""Jobs that ended long ago, and removing parts of what they left.

Every removal can be cut off and repeated. A step takes a bounded number of jobs, those first that
ended first, and each job's rows go in a transaction of their own, so that nobody waits long. What
lies in a job's run goes before the note that it is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.orm import Session

from meta_trainer.studies.ledger import list_trial_runs
from registry import Registry, RunNotFound
from services.database.base import Database
from services.database.facts import Fact, write_fact
from services.housekeeping.findings import Finding
from services.jobs.lifecycle import ENDED
from services.jobs.removal import delete_runs
from services.jobs.tables import Event, Job, LogChunk

LOG_NOTE: Final = b"[this log was removed: it was older than the service keeps them]\n"
TOLD_EVENTS: Final = ("progress", "validation", "checkpoint", "cell", "promotion.cell", "workers")
"""Events that tell how a job went on; those that tell what became of it stay with the job."""
CHECKPOINT_FOLDERS: Final = ("checkpoints", "best", "start")
_ENDED: Final = [state.value for state in ENDED]

Write = Callable[[], AbstractContextManager[Session]]
"""Opens a transaction that may write."""


@dataclass(frozen=True, kw_only=True)
class OldJob:
    """A job that ended long ago."""

    seq: int
    id: str
    run_id: str | None
    ended_at: datetime
    log_bytes: int


class EndedJobs:
    """Removes what jobs left that ended before a moment.

    Args:
        write: where not everybody may write; default: the database's own.
        dry: only count.
        limit: jobs of one call; None: all.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        *,
        write: Write | None = None,
        dry: bool = False,
        limit: int | None = None,
    ) -> None:
        self._database = database
        self._registry = registry
        self._write = write or database.write
        self._dry = dry
        self._limit = limit

    def prune_jobs(self, cut: datetime) -> Finding:
        """Delete jobs as their owners could: with events, logs, series and files, but for Θ."""
        needed = self._list_continued()
        jobs = self._list_old(cut, Job.id.not_in(needed))
        for job in jobs:
            if self._dry:
                continue
            if job.run_id is not None:
                delete_runs(self._registry, job.run_id)
            with self._write() as session:
                session.execute(delete(Job).where(Job.seq == job.seq, Job.state.in_(_ENDED)))
        return Finding(category="jobs", n_jobs=len(jobs), n_items=len(jobs), unit="jobs")

    def prune_logs(self, cut: datetime) -> Finding:
        """Put a note in the place of logs."""
        jobs = self._list_old(cut, Job.log_bytes > len(LOG_NOTE))
        for job in jobs:
            if not self._dry:
                with self._write() as session:
                    _replace_log(session, job)
        n_bytes = sum(job.log_bytes for job in jobs)
        return Finding(
            category="logs", n_jobs=len(jobs), n_items=len(jobs), unit="logs", n_bytes=n_bytes
        )

    def prune_events(self, cut: datetime) -> Finding:
        """Remove the events that tell how jobs went on, and the files that they came from."""
        n_events = 0
        jobs = self._list_unpruned("events", cut)
        for job in jobs:
            told = (Event.job_id == job.id, Event.type.in_(TOLD_EVENTS))
            with self._database.read() as session:
                query = select(func.count()).select_from(Event).where(*told)
                n_events += session.scalar(query) or 0
            self._prune_files(job, ["events"])
            if not self._dry:
                with self._write() as session:
                    session.execute(delete(Event).where(*told))
                    _write_mark(session, "events", job)
        return Finding(category="events", n_jobs=len(jobs), n_items=n_events, unit="events")

    def prune_checkpoints(self, cut: datetime) -> Finding:
        """Remove what jobs could go on from; results and versions stay."""
        n_files = n_bytes = 0
        jobs = self._list_unpruned("checkpoints", cut)
        for job in jobs:
            sizes = self._prune_files(job, CHECKPOINT_FOLDERS)
            n_files += len(sizes)
            n_bytes += sum(sizes)
            if not self._dry:
                with self._write() as session:
                    _write_mark(session, "checkpoints", job)
        return Finding(
            category="checkpoints",
            n_jobs=len(jobs),
            n_items=n_files,
            unit="files",
            n_bytes=n_bytes,
        )

    def _prune_files(self, job: OldJob, folders: Sequence[str]) -> list[int]:
        """Files below folders of the job's runs; their sizes."""
        sizes = []
        for run_id in self._list_runs(job):
            for folder in folders:
                for file in self._registry.list_artifacts(run_id, folder):
                    sizes.append(file.size_bytes)
                    if not self._dry:
                        self._registry.delete_artifact(run_id, file.path)
        return sizes

    def _list_runs(self, job: OldJob) -> list[str]:
        """The job's run and those of its trials, as far as they are still there."""
        if job.run_id is None:
            return []
        runs = [*list_trial_runs(self._registry, job.run_id), job.run_id]
        return [run_id for run_id in runs if self._has_run(run_id)]

    def _has_run(self, run_id: str) -> bool:
        try:
            self._registry.list_artifacts(run_id, "attempts")
        except RunNotFound:
            return False
        return True

    def _list_old(self, cut: datetime, *conditions: ColumnElement[bool]) -> list[OldJob]:
        """Those that ended first come first."""
        query = (
            select(Job.seq, Job.id, Job.run_id, Job.ended_at, Job.log_bytes)
            .where(Job.state.in_(_ENDED), Job.ended_at < cut, *conditions)
            .order_by(Job.ended_at, Job.seq)
            .limit(self._limit)
        )
        with self._database.read() as session:
            rows = session.execute(query).mappings().all()
        return [OldJob(**row) for row in rows]

    def _list_unpruned(self, category: str, cut: datetime) -> list[OldJob]:
        """Those that this was not done with, up to the first that another job begins with."""
        with self._database.read() as session:
            fact = session.get(Fact, f"pruned.{category}")
        conditions = []
        if fact is not None:
            moment, _, seq = fact.value.partition(" ")
            reached = datetime.fromisoformat(moment)
            is_equal = and_(Job.ended_at == reached, Job.seq > int(seq))
            conditions.append(or_(Job.ended_at > reached, is_equal))
        needed = self._list_continued()
        jobs = []
        for job in self._list_old(cut, *conditions):
            if job.id in needed:
                break
            jobs.append(job)
        return jobs

    def _list_continued(self) -> list[str]:
        """Jobs whose checkpoints, or points, others will begin with."""
        query = select(Job.spec).where(Job.state.not_in(_ENDED))
        with self._database.read() as session:
            specs: list[dict[str, Any]] = list(session.scalars(query))
        origins = [spec.get("continue_from") for spec in specs]
        continued = [origin["job"] for origin in origins if origin]
        return continued + [spec["warm_start"] for spec in specs if spec.get("warm_start")]


def _write_mark(session: Session, category: str, job: OldJob) -> None:
    """This was done with all jobs that ended before, and with this one."""
    write_fact(session, f"pruned.{category}", f"{job.ended_at.isoformat()} {job.seq}")


def _replace_log(session: Session, old: OldJob) -> None:
    job = session.get(Job, old.seq, with_for_update=True)
    if job is None or job.state not in _ENDED:  # it was deleted, or retried just now
        return
    session.execute(delete(LogChunk).where(LogChunk.job_id == job.id))
    if job.attempt:
        session.add(LogChunk(job_id=job.id, start=0, attempt=job.attempt, data=LOG_NOTE))
        job.log_bytes = len(LOG_NOTE)

"""What the job store said of a job and its newest attempt when a step began, and the rows
themselves when something is to be written.

A step asks executors and the registry, which takes its time, and no transaction is open meanwhile.
So it works from a `Snapshot`, which never changes. What the step changes is written in transactions
of their own, each on rows that were locked and read anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from services.jobs import changes, queries
from services.jobs.lifecycle import State
from services.jobs.tables import Attempt, Job
from services.reconciler.lease import LeaseHolder


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A job and its newest attempt."""

    job_seq: int
    job_id: str
    kind: str
    name: str | None
    spec: Mapping[str, Any]
    state: State
    run_id: str | None
    attempt: int
    """Its number."""
    executor_id: str
    """What the executor knows the attempt's process by."""
    submitted_at: datetime | None
    stop_requested_at: datetime | None
    waiting_reason: str | None
    event_files: int
    """Event files of the attempt that were copied."""
    log_bytes: int
    """Bytes of the attempt's log that were copied."""

    @property
    def run_name(self) -> str:
        """What the job's run is called."""
        return self.name or self.job_id


class LockedRows(NamedTuple):
    """The rows of a snapshot, locked until the session's transaction ends."""

    session: Session
    job: Job
    attempt: Attempt


def read_snapshot(session: Session, job_id: str) -> Snapshot | None:
    """None where there is no such job, or no attempt of it."""
    job = queries.find_job(session, job_id)
    attempt = session.get(Attempt, (job_id, job.attempt)) if job else None
    if job is None or attempt is None:
        return None
    return Snapshot(
        job_seq=job.seq,
        job_id=job.id,
        kind=job.kind,
        name=job.name,
        spec=job.spec,
        state=State(job.state),
        run_id=job.run_id,
        attempt=attempt.number,
        executor_id=attempt.executor_id,
        submitted_at=attempt.submitted_at,
        stop_requested_at=attempt.stop_requested_at,
        waiting_reason=job.waiting_reason,
        event_files=attempt.event_files,
        log_bytes=attempt.log_bytes,
    )


@contextmanager
def locked_rows(lease: LeaseHolder, snapshot: Snapshot) -> Iterator[LockedRows]:
    """One transaction of the lease's holder, on the rows as they are now.

    Raises:
        LeaseLost: another holds the lease; nothing is written.
        LookupError: the job was deleted meanwhile.
    """
    with lease.guarded_write() as session:
        job = changes.lock_job(session, snapshot.job_id)
        if job is None:
            raise LookupError(f"job {snapshot.job_id} is gone")
        attempt = session.get_one(Attempt, (snapshot.job_id, snapshot.attempt))
        yield LockedRows(session, job, attempt)

"""Tables of jobs. Rows are changed only by `services.jobs.changes`, which keeps them consistent
with each other."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from services.database.base import Base, UtcDateTime


class Job(Base):
    __tablename__ = "jobs"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    """Order of submission."""
    id: Mapped[str] = mapped_column(String(40), unique=True)
    kind: Mapped[str] = mapped_column(String(40))
    name: Mapped[str | None] = mapped_column(String(200))
    labels: Mapped[dict[str, Any]]
    spec: Mapped[dict[str, Any]]
    """Complete: every default written out."""
    state: Mapped[str] = mapped_column(String(20))
    actor: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempt: Mapped[int] = mapped_column(default=0)
    """Number of the newest attempt; 0 before the first."""
    run_id: Mapped[str | None] = mapped_column(String(100))
    progress: Mapped[float] = mapped_column(default=0.0)
    eta_seconds: Mapped[float | None]
    error: Mapped[dict[str, Any] | None]
    version: Mapped[dict[str, Any] | None]
    last_event_id: Mapped[int] = mapped_column(default=0)
    log_bytes: Mapped[int] = mapped_column(default=0)
    lost_attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    """Attempts in a row that were lost and got no further than those before them."""
    lost_progress: Mapped[float] = mapped_column(default=0.0, server_default="0")
    """The furthest progress of any attempt that was lost."""
    retry_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Not to be started before, because its attempt was lost; None otherwise."""
    waiting_reason: Mapped[str | None] = mapped_column(Text)
    """Why no node can hold it as things are: it waits, and others go first; None otherwise."""
    priority: Mapped[int] = mapped_column(default=0, server_default="0")
    """Of those that wait, the job with the highest starts first; of equal ones, see `shares`."""
    deadline: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """A job that has not ended by then fails."""
    cloned_from: Mapped[str | None] = mapped_column(String(40))
    """Id of the job whose spec this one began from; it may be deleted since."""
    webhook: Mapped[str | None] = mapped_column(Text)
    """URL that is told of its end; None: nobody is."""
    api_key_id: Mapped[str | None] = mapped_column(String(40))
    """Of the API key that submitted it, for limits by key; None where that was not recorded."""
    project: Mapped[str] = mapped_column(String(32), default="default", server_default="default")
    n_cores: Mapped[int | None]
    """Cores that it may make use of at once; None where that was not recorded."""
    stored_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """Of its files in the registry, as they were measured last."""

    __table_args__ = (
        Index(None, "state", "seq"),
        Index(None, "kind", "seq"),
        Index("ix_jobs_queue", "state", priority.desc(), "seq"),
        Index("ix_jobs_shares", "state", "priority", "api_key_id", "seq"),
        Index(None, "run_id"),
        Index(None, "state", "deadline"),
        Index(None, "project", "seq"),
        Index(None, "state", "project"),
    )


class KeyTurn(Base):
    """When each API key last had its turn in the queue: turns are counted, so no clock matters."""

    __tablename__ = "key_turns"

    api_key_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Empty: of jobs whose key was not recorded."""
    turn: Mapped[int]
    """Of all starts of jobs, the number of this key's last one."""


class Attempt(Base):
    __tablename__ = "attempts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(20))
    """starting, running, succeeded, failed, stopped or lost."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    submitted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """None until the executor is known to have it; a crash before that repeats the submission,
    which is harmless."""
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stop_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[dict[str, Any] | None]
    event_files: Mapped[int] = mapped_column(default=0)
    """Event files of the driver that are already rows of `events`."""
    log_bytes: Mapped[int] = mapped_column(default=0)
    """Bytes of the executor's log of this attempt that are already in `log_chunks`."""

    @property
    def executor_id(self) -> str:
        return f"{self.job_id}-a{self.number}"


class Event(Base):
    __tablename__ = "events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """1, 2, 3, … within the job."""
    type: Mapped[str] = mapped_column(String(64))
    time: Mapped[datetime] = mapped_column(UtcDateTime)
    attempt: Mapped[int]
    data: Mapped[dict[str, Any]]


class LogChunk(Base):
    __tablename__ = "log_chunks"

    job_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    start: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Offset in the job's log, which is the logs of its attempts one after another; chunks leave no
    gaps."""
    attempt: Mapped[int]
    data: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        ForeignKeyConstraint(
            ["job_id", "attempt"], ["attempts.job_id", "attempts.number"], ondelete="CASCADE"
        ),
    )

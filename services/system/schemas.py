"""The wire: the service itself, as in docs/rest.md."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel


class ActiveJob(BaseModel):
    """A job that has an attempt at work."""

    id: str
    name: str | None
    kind: str
    state: str
    progress: float
    eta_seconds: float | None
    started_at: datetime | None
    attempt: int
    n_workers: int | None
    """What its newest progress says; null while it has told of none."""


class SystemAnswer(BaseModel):
    versions: dict[str, str]
    """Of this software and of what lies beneath it."""
    mlflow_url: str | None
    """Where people find the registry in MLflow's own pages, if the operator says so."""
    executor: str
    max_running_jobs: int
    max_running_jobs_per_key: int
    """0: as many as in all."""
    queue: dict[str, int]
    """State → number of jobs; states without any are left out."""
    active: list[ActiveJob]
    nodes: list[dict[str, float]]
    """What each machine has; empty where machines may come and go."""


class AuditEntry(BaseModel):
    time: datetime
    actor: str | None
    """Who did it; null where that is not kept."""
    action: str
    subject: str
    """A job, `optimizer@number` or a key."""
    reason: str = ""


class AuditList(BaseModel):
    """Newest first."""

    items: list[AuditEntry]

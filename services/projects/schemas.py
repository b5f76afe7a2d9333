"""Projects on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from services.projects.tables import PROJECT_PATTERN
from services.request_model import RequestModel

Description = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]


Count = Annotated[int, Field(ge=0, le=1_000_000)]
Bytes = Annotated[int, Field(ge=0, le=2**53)]


class Quotas(RequestModel):
    """Null: no limit but that of the service."""

    max_queued_jobs: Count | None = None
    """Jobs that wait; another one is refused."""
    max_running_jobs: Count | None = None
    """Jobs at work; others wait, with the reason."""
    max_cores: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """That its jobs use at once: a meta-training and an evaluation take at most so many, others
    wait, and a study that needs more is refused."""
    max_storage_bytes: Bytes | None = None
    """Files and logs of jobs, uploaded versions, and registered datasets; what is submitted when it
    is full, and a file that would be too much, is refused."""


class UseAnswer(BaseModel):
    """What a project uses now."""

    queued_jobs: int
    running_jobs: int
    cores: int
    storage_bytes: int


class ProjectRequest(RequestModel):
    name: Annotated[str, Field(pattern=PROJECT_PATTERN)]
    """Small letters, digits and hyphens; it never changes."""
    description: Description = ""
    quotas: Quotas = Field(default_factory=Quotas)


class ProjectChange(RequestModel):
    """A JSON merge patch (RFC 7396): what is left out stays."""

    description: Description = ""
    archived: bool = False
    """An archived project is read, and nothing is added to it; its queue stands still."""
    quotas: Quotas = Field(default_factory=Quotas)
    """Those that are named change."""


class ProjectAnswer(BaseModel):
    name: str
    description: str
    created_at: datetime
    archived_at: datetime | None
    quotas: Quotas
    use: UseAnswer | None = None
    """Beside the quotas; null in lists."""


class ProjectList(BaseModel):
    """By name."""

    items: list[ProjectAnswer]
    next_cursor: str | None = None

"""Projects on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from services.projects.tables import PROJECT_PATTERN
from services.request_model import RequestModel

Description = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]


class ProjectRequest(RequestModel):
    name: Annotated[str, Field(pattern=PROJECT_PATTERN)]
    """Small letters, digits and hyphens; it never changes."""
    description: Description = ""


class ProjectChange(RequestModel):
    """A JSON merge patch (RFC 7396): what is left out stays."""

    description: Description = ""
    archived: bool = False
    """An archived project is read, and nothing is added to it; its queue stands still."""


class ProjectAnswer(BaseModel):
    name: str
    description: str
    created_at: datetime
    archived_at: datetime | None


class ProjectList(BaseModel):
    """By name."""

    items: list[ProjectAnswer]
    next_cursor: str | None = None

"""Optimizers on the wire (docs/rest.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from registry.checks import MAX_REASON_CHARS, check_text

MAX_NUMBER = 2**31 - 1


def _plain_reason(value: str) -> str:
    return check_text(value, "reason", max_chars=MAX_REASON_CHARS)


Reason = Annotated[str, Field(max_length=MAX_REASON_CHARS), AfterValidator(_plain_reason)]


class OptimizerVersionAnswer(BaseModel):
    """One immutable Θ under an optimizer's name."""

    optimizer: str
    number: int
    sha256: str
    size_bytes: int
    created_at: datetime
    job_id: str | None
    """The job that made it; null for one that was uploaded."""
    manifest: dict[str, Any]
    tags: dict[str, str]
    aliases: list[str]


class OptimizerVersionList(BaseModel):
    items: list[OptimizerVersionAnswer]
    next_cursor: str | None


class OptimizerAnswer(BaseModel):
    name: str
    latest: OptimizerVersionAnswer
    aliases: dict[str, int]


class OptimizerList(BaseModel):
    items: list[OptimizerAnswer]
    next_cursor: str | None


class AliasRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=MAX_NUMBER)
    reason: Reason = ""


class AliasAnswer(BaseModel):
    alias: str
    version: int


class AliasChangeAnswer(BaseModel):
    alias: str
    old_version: int | None
    new_version: int | None
    actor: str
    reason: str
    changed_at: datetime


class AliasList(BaseModel):
    """The aliases now, and every change, oldest first."""

    items: list[AliasAnswer]
    history: list[AliasChangeAnswer]

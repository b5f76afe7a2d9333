"""The server itself, and the keys that it accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hyperadam.api.decode import Record


@dataclass(frozen=True, kw_only=True)
class Readiness(Record):
    """Whether the server can do its work, and what keeps it from it."""

    ready: bool
    checks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Project(Record):
    """A team's own jobs, names of optimizers and keys."""

    name: str
    description: str = ""
    created_at: datetime | None = None
    archived_at: datetime | None = None
    quotas: Mapping[str, int | None] = field(default_factory=dict)
    """Null: no limit."""
    use: Mapping[str, int] | None = None
    """Beside the quotas; only of one project that was asked for."""


@dataclass(frozen=True, kw_only=True)
class ApiKey(Record):
    """An API key, without its secret."""

    id: str
    name: str
    scopes: tuple[str, ...]
    project: str = "default"
    prefix: str | None = None
    created_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class NewApiKey(ApiKey):
    """An API key that was just made."""

    key: str = field(repr=False)
    """What its holder sends; never shown again."""

"""API keys on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, field_serializer

from registry.checks import MAX_ACTOR_CHARS
from services.auth.names import check_key_name
from services.auth.scopes import DEFAULT_PROJECT, Scope
from services.auth.tables import ApiKey
from services.projects.tables import PROJECT_PATTERN
from services.request_model import RequestModel

ProjectName = Annotated[str, Field(pattern=PROJECT_PATTERN)]


class KeyRequest(RequestModel):
    name: Annotated[
        str,
        Field(min_length=1, max_length=MAX_ACTOR_CHARS, pattern=r"\S"),
        AfterValidator(check_key_name),
    ]
    """Whose key it is: stands as actor in jobs and in histories of aliases."""
    scopes: Annotated[frozenset[Scope], Field(min_length=1)] = frozenset({"read"})
    expires_at: AwareDatetime | None = None
    """Worthless from then on; null: never by itself."""
    project: ProjectName = Field(
        default=DEFAULT_PROJECT, exclude_if=lambda value: value == DEFAULT_PROJECT
    )
    """Where its holder acts. Without the scope `admin` it sees no other."""

    @field_serializer("scopes")
    def _in_order(self, scopes: frozenset[Scope]) -> list[Scope]:
        return sorted(scopes)


class KeyAnswer(BaseModel):
    """A key without its secret."""

    id: str
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    expires_at: datetime | None
    project: str

    @classmethod
    def of(cls, record: ApiKey) -> Self:
        return cls.model_validate(record, from_attributes=True)


class NewKeyAnswer(KeyAnswer):
    key: str | None
    """The whole key; this answer is the only one that ever holds it. Null in the answer to a
    repeated request."""


class KeyList(BaseModel):
    items: list[KeyAnswer]
    next_cursor: str | None = None


class SessionAnswer(BaseModel):
    """A browser's session, of which it keeps the cookie."""

    id: str
    """Of the key that it was opened with, or of the person."""
    name: str
    full_name: str | None
    """What the issuer calls a person; null for a key."""
    scopes: list[Scope]
    """With all that they imply."""
    expires_at: datetime
    project: str
    """Where it acts."""
    sees_all: bool
    """Whether it sees every project."""


class SelfAnswer(BaseModel):
    """The key or person that asks."""

    id: str
    name: str
    full_name: str | None
    """What the issuer calls a person; null for a key."""
    scopes: list[Scope]
    """With all that they imply."""
    project: str
    """Where it acts."""
    sees_all: bool
    """Whether it sees every project."""

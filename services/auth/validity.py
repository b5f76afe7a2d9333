"""Whether a key may still do what it may. The one place that says so, for requests, for jobs in the
queue and for what jobs do later."""

from __future__ import annotations

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from services.auth.tables import ApiKey
from services.database.base import now


def find_end(record: ApiKey) -> str | None:
    """How the key came to its end, as "was revoked"; None: it is valid."""
    if record.revoked_at is not None:
        return "was revoked"
    if record.expires_at is not None and now() >= record.expires_at:
        return "has expired"
    return None


def is_valid_record(record: ApiKey) -> bool:
    """Whether it is neither revoked nor expired."""
    return find_end(record) is None


def list_ended(session: Session) -> dict[str, str]:
    """Keys that are no longer valid, by id, and how each came to its end."""
    may_have_ended = or_(ApiKey.revoked_at.is_not(None), ApiKey.expires_at.is_not(None))
    ends = {}
    for record in session.scalars(select(ApiKey).where(may_have_ended)):
        end = find_end(record)
        if end is not None:
            ends[record.id] = end
    return ends

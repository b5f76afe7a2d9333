"""Moments that a caller gives as they are, or as a time from now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def format_moment(moment: datetime | timedelta | None) -> str | None:
    """The moment in RFC 3339, as the server wants it.

    Raises:
        ValueError: it has no time zone.
    """
    if isinstance(moment, timedelta):
        moment = datetime.now(UTC) + moment
    if moment is not None and moment.tzinfo is None:
        raise ValueError(f"a moment needs a time zone, got {moment}")
    return None if moment is None else moment.isoformat()

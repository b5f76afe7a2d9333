"""When a job must have ended, as clients may ask for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from services.database.base import now
from services.problems import invalid

LONGEST_DEADLINE: Final = timedelta(days=3650)


def check_deadline(deadline: datetime | None) -> None:
    """
    Raises:
        Problem: 422; it has passed, or is too far away.
    """
    if deadline is None or now() < deadline <= now() + LONGEST_DEADLINE:
        return
    days = LONGEST_DEADLINE.days
    raise invalid("deadline", f"must be in the future, and at most {days} days ahead")

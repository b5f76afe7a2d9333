"""When a job whose attempt was lost, or failed, is tried again, and when it is given up: without
clock or database.

Machines fail, and a job should not; but one that takes its process down whenever it comes to the
same point must not be tried for ever. What tells them apart is progress: only losses in a row that
got no further than before are counted. And an error that comes again as it was, at the same update,
would come a third time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol, Self

FIRST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 60.0

_TELLING_FIELDS: Final = ("type", "message", "update")
"""Errors that are alike in these are the same error."""


class _Counts(Protocol):
    """What a job's row counts."""

    @property
    def lost_attempts(self) -> int: ...
    @property
    def lost_progress(self) -> float: ...


@dataclass(frozen=True)
class Losses:
    """Attempts of one job that were lost, or failed."""

    in_a_row: int = 0
    """Those that got no further than any before them, since the last that did."""
    furthest: float = 0.0
    """Progress of the job, in [0, 1], when the luckiest of them was lost."""

    @classmethod
    def of_job(cls, job: _Counts) -> Self:
        """Those that the job's row counts."""
        return cls(job.lost_attempts, job.lost_progress)

    def after_another(self, progress: float) -> Losses:
        """With one more, lost at this progress."""
        if progress > self.furthest:
            return Losses(0, progress)
        return Losses(self.in_a_row + 1, self.furthest)


def compute_pause(in_a_row: int, first_seconds: float = FIRST_SECONDS) -> timedelta:
    """Pause before the next attempt: as short as the first while there is progress, else doubling
    up to the longest."""
    n_doublings = min(max(in_a_row - 1, 0), 30)
    longest_seconds = max(LONGEST_SECONDS, first_seconds)
    return timedelta(seconds=min(longest_seconds, first_seconds * 2**n_doublings))


def is_final(error: Mapping[str, Any], previous: Mapping[str, Any] | None) -> bool:
    """Whether no attempt would do better: the driver says so, or the error of the attempt before
    was the same."""
    if error.get("final"):
        return True
    if previous is None:
        return False
    return all(error.get(key) == previous.get(key) for key in _TELLING_FIELDS)

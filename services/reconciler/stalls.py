"""Attempts that say nothing for long: a frozen process, or a study that finds no room.

Nobody can know whether such an attempt goes on, so it is only told: in the job's events, and in the
log.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic as read_clock

Mark = tuple[int, int]
"""How many event files and bytes of log an attempt has left."""


@dataclass
class _Silence:
    mark: Mark
    since: float
    """On the monotonic clock: another clock may be set."""
    was_told: bool = False


class Stalls:
    """Of each attempt, since when it has left nothing new."""

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._silences: dict[str, _Silence] = {}

    def look(self, executor_id: str, mark: Mark) -> float | None:
        """Seconds of silence, if this is the look that finds it too long; else None."""
        silence = self._silences.get(executor_id)
        if silence is None or silence.mark != mark:
            self._silences[executor_id] = _Silence(mark, read_clock())
            return None
        seconds = read_clock() - silence.since
        if silence.was_told or seconds < self._stall_seconds:
            return None
        silence.was_told = True
        return seconds

    def forget(self, executor_id: str) -> None:
        """The attempt has ended."""
        self._silences.pop(executor_id, None)

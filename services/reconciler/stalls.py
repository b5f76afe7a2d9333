"""Attempts that say nothing for long: frozen processes, and work that does not go on.

A driver gives signs of life while its process lives (`meta_trainer.driver.heartbeat`). One that has
given some and gives none any more is frozen. One that lives, but leaves neither events nor log, may
be in a long step: nobody can know. Both are told, in the job's events, in its `waiting_reason` and
in the log; neither is ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic as read_clock
from typing import Final, NamedTuple

LOOK_SECONDS: Final = 10.0
"""Time between two looks at an attempt's signs of life."""

Mark = tuple[int, int]
"""How many event files and bytes of log an attempt has left."""


class Stall(NamedTuple):
    """An attempt that was found silent for too long."""

    seconds: float
    is_frozen: bool
    """Whether its process gives no sign of life either."""

    @property
    def reason(self) -> str:
        """For people."""
        if self.is_frozen:
            return f"its driver has given no sign of life for {self.seconds:.0f} s"
        return f"its driver has said nothing for {self.seconds:.0f} s"


@dataclass
class _Silence:
    mark: Mark
    since: float
    """On the monotonic clock: another clock may be set."""
    beats: bytes | None = None
    """The newest sign of life; None: there was none."""
    beaten_at: float = 0.0
    looked_at: float = float("-inf")
    was_told: bool = False


class Stalls:
    """Of each attempt, since when it has left nothing new."""

    def __init__(self, stall_seconds: float, freeze_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._freeze_seconds = freeze_seconds
        self._silences: dict[str, _Silence] = {}

    def look(
        self, executor_id: str, mark: Mark, read_beats: Callable[[], bytes | None]
    ) -> Stall | None:
        """The stall, if this is the look that finds one; else None.

        Args:
            read_beats: gives the newest sign of life, if there is one.
        """
        now = read_clock()
        silence = self._silences.get(executor_id)
        if silence is None:
            silence = self._silences[executor_id] = _Silence(mark, now, beaten_at=now)
        if silence.mark != mark:
            silence.mark = mark
            silence.since = now
            silence.was_told = False
        self._listen(silence, now, read_beats)
        if silence.was_told:
            return None

        seconds = now - silence.since
        is_frozen = silence.beats is not None and self._is_frozen(silence, now)
        if not is_frozen and seconds < self._stall_seconds:
            return None
        silence.was_told = True
        return Stall(now - silence.beaten_at if is_frozen else seconds, is_frozen)

    def goes_on(self, executor_id: str) -> bool:
        """Whether nothing is wrong with it that was told."""
        silence = self._silences.get(executor_id)
        return silence is None or not silence.was_told

    def forget(self, executor_id: str) -> None:
        """The attempt has ended."""
        self._silences.pop(executor_id, None)

    def _listen(
        self, silence: _Silence, now: float, read_beats: Callable[[], bytes | None]
    ) -> None:
        if now - silence.looked_at < LOOK_SECONDS:
            return
        silence.looked_at = now
        beats = read_beats()
        if beats == silence.beats:
            return
        if self._is_frozen(silence, now):  # it goes on: a later stall is told anew
            silence.was_told = False
        silence.beats = beats
        silence.beaten_at = now

    def _is_frozen(self, silence: _Silence, now: float) -> bool:
        return now - max(silence.beaten_at, silence.since) >= self._freeze_seconds

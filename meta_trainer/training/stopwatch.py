"""How long a job has taken, over all its attempts."""

from __future__ import annotations

import time


class Stopwatch:
    """Runs from the moment that it is made."""

    def __init__(self, seconds_before: float = 0.0) -> None:
        self.seconds_before = seconds_before
        """Of earlier attempts."""
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """In all, with those of earlier attempts."""
        return self.seconds_before + time.monotonic() - self._started

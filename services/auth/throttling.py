"""How many requests one API key may send: a bucket of tokens for each, in memory.

The limit keeps one client with a wild loop from taking the service away from the others. It costs
no query, which a count shared by all processes would; behind a balancer, the limit of a key is that
of a process times their number.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from services.settings import Settings

MAX_BUCKETS: Final = 4096


class RateLimit:
    """A bucket for each key, which fills steadily; each request takes one token. Thread-safe.

    Args:
        per_second: tokens that come to a bucket; 0: no limit.
        burst_seconds: a bucket holds the tokens of so long a time, and one at least.
    """

    def __init__(
        self, per_second: float, burst_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._clock = clock
        self._capacity = max(1.0, per_second * burst_seconds)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def seconds_to_wait(self, key_id: str) -> float:
        """0 when the request may pass, which takes a token; else the time until there is one."""
        if self._per_second == 0:
            return 0.0
        with self._lock:
            now = self._clock()
            tokens, filled_at = self._buckets.pop(key_id, (self._capacity, now))
            added = (now - filled_at) * self._per_second
            tokens = min(self._capacity, tokens + added)
            passes = tokens >= 1.0

            self._buckets[key_id] = (tokens - passes, now)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
            return 0.0 if passes else (1.0 - tokens) / self._per_second


class RateLimits:
    """The limits of one process."""

    def __init__(self, settings: Settings) -> None:
        self.requests: Final = RateLimit(settings.requests_per_second, settings.rate_burst_seconds)
        self.writes: Final = RateLimit(settings.writes_per_second, settings.rate_burst_seconds)
        """Those that change something."""

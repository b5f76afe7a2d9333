"""When to try again, and after how long. Pure: nothing here sleeps or sends."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from hyperadam.api.errors import ApiError, DamagedDownload, HyperAdamError, ServerUnreachable

RETRIED_STATUSES: Final = frozenset({408, 429, 502, 503, 504})
"""Answers that say "not now"; an internal error (500) is not one: it would fail again."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """Exponential back-off with jitter; a `Retry-After` of the server is obeyed within bounds."""

    n_attempts: int = 5
    """Tries in all, the first one included."""
    n_follow_attempts: int = 12
    """Connections of a live stream that may fail in a row; with the default delays a minute, enough
    for a restart."""
    first_delay_seconds: float = 0.25
    max_delay_seconds: float = 8.0
    max_retry_after_seconds: float = 60.0
    """A longer `Retry-After` is an answer, not a delay: the error is raised at once."""
    healthy_seconds: float = 10.0
    """A stream that lived this long before it broke does not count as a failed try."""

    def delay_seconds(
        self, error: HyperAdamError, failures: int, *, idempotent: bool = True
    ) -> float | None:
        """How long to wait before the next try, after `error` was the `failures`-th failure in a
        row; None: give up.

        A call that is not idempotent is tried again only when the server cannot have seen it.
        """
        if failures >= self.n_attempts or not _may_pass(error, idempotent):
            return None

        header = error.retry_after if isinstance(error, ApiError) else None
        retry_after_seconds = parse_retry_after(header)
        if retry_after_seconds is not None:
            is_short = retry_after_seconds <= self.max_retry_after_seconds
            return retry_after_seconds if is_short else None

        return self.backoff_seconds(failures)

    def backoff_seconds(self, failures: int) -> float:
        """A random time up to `first · 2^(failures − 1)`, at most `max`; never less than half of
        that."""
        doublings = min(failures - 1, 30)
        ceiling = min(self.max_delay_seconds, self.first_delay_seconds * 2.0**doublings)
        return ceiling * random.uniform(0.5, 1.0)


def _may_pass(error: HyperAdamError, idempotent: bool) -> bool:
    """Whether another try may succeed, and does no harm."""
    if isinstance(error, ServerUnreachable):
        return idempotent or not error.maybe_done
    if isinstance(error, ApiError):
        return idempotent and error.status in RETRIED_STATUSES
    return isinstance(error, DamagedDownload)


NO_RETRY: Final = RetryPolicy(n_attempts=1)


def parse_retry_after(value: str | None) -> float | None:
    """Seconds from now in a `Retry-After` header (a number or an HTTP date), or None when there is
    no valid one."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    from_now = moment - datetime.now(UTC)
    return max(0.0, from_now.total_seconds())

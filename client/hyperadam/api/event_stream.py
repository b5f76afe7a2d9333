"""The live events of a job, over connections that break and servers that are away for a while."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

import httpx2

from hyperadam.api.decode import decode
from hyperadam.api.errors import BadAnswer, HyperAdamError, ServerUnreachable
from hyperadam.api.models import Event, Job
from hyperadam.api.retry import RetryPolicy
from hyperadam.api.session import Session, read_answer_json
from hyperadam.strict_json import StrictJSONError

LAST_EVENT: Final = "job.ended"
QUIET_SECONDS: Final = 60.0
"""A live stream that sends nothing for so long, not even a comment, is taken for broken."""
TOLD_AFTER: Final = 2
"""Failures in a row after which an outage is told: one is no more than a connection that broke."""

OutageListener = Callable[[HyperAdamError], None]
"""Is called once for each outage, with the failure that it shows itself by."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How outages of the server are met while events are followed."""

    seconds: float | None = None
    """So long an outage may last; None: as many failures in a row as the policy allows."""
    on_outage: OutageListener | None = None


class _Outage:
    """Failures in a row."""

    def __init__(self, policy: RetryPolicy, patience: Patience) -> None:
        n_attempts = policy.n_follow_attempts if patience.seconds is None else sys.maxsize
        self._policy = replace(policy, n_attempts=n_attempts)
        self._patience = patience
        self._n_failures = 0
        self._began_at = 0.0

    def end(self) -> None:
        """Something arrived."""
        self._n_failures = 0

    def meet(self, error: HyperAdamError, opened_at: float) -> float | None:
        """How long to wait after a failure of what was opened at that time; None: give up."""
        lived_seconds = time.monotonic() - opened_at
        if lived_seconds >= self._policy.healthy_seconds:
            self._n_failures = 0
        if self._n_failures == 0:
            self._began_at = time.monotonic()
        self._n_failures += 1

        delay_seconds = self._policy.delay_seconds(error, self._n_failures)
        if delay_seconds is not None and self._lasts_too_long(delay_seconds):
            return None
        listener = self._patience.on_outage
        if delay_seconds is not None and listener and self._n_failures == TOLD_AFTER:
            listener(error)
        return delay_seconds

    def _lasts_too_long(self, delay_seconds: float) -> bool:
        if self._patience.seconds is None:
            return False
        lasted_seconds = time.monotonic() - self._began_at
        return lasted_seconds + delay_seconds > self._patience.seconds


async def follow_events(
    session: Session, path: str, job_path: str, *, after: int, patience: Patience
) -> AsyncGenerator[Event]:
    """A job's events after number `after`, as they happen, up to and with its last: each exactly
    once, in order.

    A connection that ends or breaks before the last event is opened again with `Last-Event-ID`. It
    gives up when an outage is longer than the patience; an event, or a connection that lived for a
    while, ends an outage.
    """
    outage = _Outage(session.policy, patience)
    last_id = after
    n_empty = 0
    while True:
        opened_at = time.monotonic()
        first_id = last_id
        is_over = False
        try:
            async with aclosing(_connect(session, path, last_id)) as events:
                async for event in events:
                    last_id = event.id
                    outage.end()
                    is_over = event.type == LAST_EVENT
                    yield event
            if is_over:  # an end that was followed by a retry is not the stream's
                return
            n_empty = n_empty + 1 if last_id == first_id else 0
            if n_empty:
                has_ended = await _has_ended(session, job_path)
                if has_ended and n_empty > 1:
                    return
            delay_seconds = session.policy.backoff_seconds(n_empty + 1)
        except HyperAdamError as error:
            delay_after_failure = outage.meet(error, opened_at)
            if delay_after_failure is None:
                raise
            delay_seconds = delay_after_failure
        await session.wire.sleep(delay_seconds)


async def _has_ended(session: Session, job_path: str) -> bool:
    job = await session.get(Job, job_path)
    return job.ended


async def _connect(session: Session, path: str, last_id: int) -> AsyncGenerator[Event]:
    """The events of one connection; what it repeats is left out, and a gap is a broken
    connection."""
    headers = {"Accept": "text/event-stream"}
    if last_id:
        headers["Last-Event-ID"] = str(last_id)
    opened = session.open(path, headers=headers, timeout=QUIET_SECONDS)
    async with opened as response, aclosing(session.wire.read_server_events(response)) as events:
        async for message in events:
            if not message.data:
                continue
            event = decode(Event, _read_payload(message), "event")
            if event.id <= last_id:
                continue
            if event.id != last_id + 1:
                raise ServerUnreachable(
                    f"event {last_id + 1} of {path} is missing from the stream", maybe_done=True
                )
            last_id = event.id
            yield event


def _read_payload(message: httpx2.ServerSentEvent) -> object:
    try:
        return read_answer_json(message.data.encode("utf-8", "surrogatepass"))
    except StrictJSONError as error:
        raise BadAnswer(f"event {message.id!r} is not JSON") from error

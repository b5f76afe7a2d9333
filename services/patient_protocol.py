"""HTTP connections that cannot be held for nothing: what a client has to do has deadlines, and
there are only so many connections.

Each open connection takes a descriptor, of which a process has about a thousand. Whoever began a
thousand requests and never ended one, or asked and never read the answers, would stop the service
for everybody. Where there are as many connections as may be, the one that has waited longest for
its client gives way to a new one.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Final
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

HEADER_SECONDS: Final = 10.0
"""From a connection's start, or the first byte of a further request, to the end of its headers."""
BODY_SECONDS: Final = 120.0
"""From the end of a request's headers to the end of its body."""
READING_SECONDS: Final = 60.0
"""A client that takes nothing of its answer for so long has gone."""
MOST_DESCRIPTORS: Final = 2048
"""What a process asks the system for, where it was started with fewer: while a thousand clients
begin requests and never end them, others connect without that one has to give way to each."""
SPARE_DESCRIPTORS: Final = 224
"""For databases, files and logs."""
LEAST_CONNECTIONS: Final = 64


def count_connections() -> int:
    """How many connections this process may have."""
    soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(LEAST_CONNECTIONS, soft_limit - SPARE_DESCRIPTORS)


def allow_connections() -> None:
    """Take as many descriptors as the system gives, up to `MOST_DESCRIPTORS`, and as many
    connections."""
    soft_limit, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard_limit if hard_limit != resource.RLIM_INFINITY else MOST_DESCRIPTORS
    wanted = min(MOST_DESCRIPTORS, most)
    if soft_limit != resource.RLIM_INFINITY and soft_limit < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard_limit))
    PatientProtocol.max_connections = min(count_connections(), MOST_DESCRIPTORS)


_WAITING: Final[WeakKeyDictionary[ServerState, dict[PatientProtocol, None]]] = WeakKeyDictionary()


class PatientProtocol(H11Protocol):
    """uvicorn's own protocol, with these limits."""

    header_seconds = HEADER_SECONDS
    body_seconds = BODY_SECONDS
    reading_seconds = READING_SECONDS
    max_connections = count_connections()
    _deadline: asyncio.TimerHandle | None = None
    """For the request to arrive."""
    _reading_deadline: asyncio.TimerHandle | None = None
    """For the answer to be taken."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.max_connections and not self._make_room():
            transport.close()
            return
        self._wait()
        self._start_deadline(self.header_seconds)

    def data_received(self, data: bytes) -> None:
        cycle = self.cycle
        is_between_requests = cycle is None or cycle.response_complete
        if is_between_requests and self._deadline is None:
            self._start_deadline(self.header_seconds)
        super().data_received(data)
        has_more = self.cycle is not None and self.cycle.more_body
        if self.cycle is not cycle:  # the headers are whole
            self._end_deadline()
            if has_more:
                self._wait()
                self._start_deadline(self.body_seconds)
            elif not self.cycle.response_complete:
                self._stop_waiting()
        elif not is_between_requests and not has_more:  # the body is whole
            self._end_deadline()
            self._stop_waiting()

    def on_response_complete(self) -> None:
        self._wait()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._reading_deadline is None:
            self._reading_deadline = self.loop.call_later(
                self.reading_seconds, self.transport.abort
            )

    def resume_writing(self) -> None:
        super().resume_writing()
        self._end_reading_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._end_deadline()
        self._end_reading_deadline()
        super().connection_lost(exc)

    @property
    def _waiting(self) -> dict[PatientProtocol, None]:
        """Connections of this server that have no whole request which is not answered; those that
        have waited longest for their client come first."""
        return _WAITING.setdefault(self.server_state, {})

    def _wait(self) -> None:
        """From now on this connection waits for its client."""
        self._stop_waiting()
        self._waiting[self] = None

    def _stop_waiting(self) -> None:
        self._waiting.pop(self, None)

    def _make_room(self) -> bool:
        """Close the connection that has waited longest for its client; False: none waits."""
        longest = next(iter(self._waiting), None)
        if longest is None:
            return False
        longest._stop_waiting()
        longest.transport.abort()
        return True

    def _start_deadline(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_reading_deadline(self) -> None:
        if self._reading_deadline is not None:
            self._reading_deadline.cancel()
            self._reading_deadline = None

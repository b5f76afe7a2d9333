"""HTTP connections that cannot be held for nothing: a request's headers have a deadline, and there
are only so many connections.

Each open connection takes a descriptor, of which a process has about a thousand. Whoever began a
thousand requests and never ended one would stop the service for everybody.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS: Final = 10.0
"""From a connection's start, or the first byte of a further request, to the end of its headers."""
SPARE_DESCRIPTORS: Final = 224
"""For databases, files and logs."""
LEAST_CONNECTIONS: Final = 64


def count_connections() -> int:
    """How many connections this process may have."""
    soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(LEAST_CONNECTIONS, soft_limit - SPARE_DESCRIPTORS)


class PatientProtocol(H11Protocol):
    """uvicorn's own protocol, with these limits."""

    header_seconds = HEADER_SECONDS
    max_connections = count_connections()
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            transport.close()
            return
        self._start_deadline()

    def data_received(self, data: bytes) -> None:
        cycle = self.cycle
        is_between_requests = cycle is None or cycle.response_complete
        if is_between_requests and self._deadline is None:
            self._start_deadline()
        super().data_received(data)
        if self.cycle is not cycle:  # the headers are whole
            self._end_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_deadline()
        super().connection_lost(exc)

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.header_seconds, self.transport.close)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

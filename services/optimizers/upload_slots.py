"""How many uploads are under way at a time: each holds a whole file in memory, and some time of
the interpreter."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import Request

from services.problems import BadRequest, Unavailable

WAIT_SECONDS: Final = 10.0
"""An upload waits so long for its turn."""
BODY_SECONDS: Final = 60.0
"""The bytes of a file must arrive in so much time."""


class UploadSlots:
    """Turns of uploads in one process."""

    def __init__(self, n_slots: int) -> None:
        self._n_slots = n_slots
        self._free = asyncio.Semaphore(n_slots)
        self.registering = threading.Lock()
        """Held while it is found out whether a file is a version already, and made one."""

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """One of the turns.

        Raises:
            Problem: 503 where none becomes free in time.
        """
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise Unavailable(
                f"{self._n_slots} uploads are under way, as many as may be.",
                headers={"Retry-After": "5"},
            ) from None
        try:
            yield
        finally:
            self._free.release()


async def read_body(request: Request) -> bytes:
    """The whole body of an upload.

    Raises:
        Problem: 400 where it does not arrive in time.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.body()
    except TimeoutError:
        raise BadRequest(f"The body did not arrive within {BODY_SECONDS:g} seconds.") from None

"""How many uploads are under way at a time: each holds a whole file in memory, and some time of
the interpreter.

Projects share the turns by dynamic thresholds (Choudhury and Hahne, "Dynamic queue length
thresholds for shared-memory packet switches", 1998): with f turns free, a project that has h takes
another while h < f. So one project alone has half of the turns, and one that comes later finds
some; of those that wait, the project with the fewest goes first.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from services.problems import BadRequest, Unavailable

WAIT_SECONDS: Final = 10.0
"""An upload waits so long for its turn."""
BODY_SECONDS: Final = 60.0
"""The bytes of a file must arrive in so much time."""


@dataclass(frozen=True, eq=False)
class _Wait:
    """An upload that waits for its turn."""

    project: str
    turn: asyncio.Future[None]
    """Done when it has it."""


class UploadSlots:
    """Turns of uploads in one process."""

    def __init__(self, n_slots: int) -> None:
        self._n_slots = n_slots
        self._held: Counter[str] = Counter()
        """Project → turns that it has."""
        self._waiting: list[_Wait] = []
        """Those that came first stand first."""
        self.registering = threading.Lock()
        """Held while it is found out whether a file is a version already, and made one."""

    @asynccontextmanager
    async def hold(self, project: str) -> AsyncIterator[None]:
        """One of the turns.

        Raises:
            Problem: 503 where none becomes free in time.
        """
        wait = _Wait(project, asyncio.get_running_loop().create_future())
        self._waiting.append(wait)
        self._give_turns()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await wait.turn
        except BaseException as error:
            self._give_up(wait)
            if isinstance(error, TimeoutError):
                raise Unavailable(
                    f"As many uploads are under way as may be: {self._n_slots} in all, and of one "
                    "project no more than are free.",
                    headers={"Retry-After": "5"},
                ) from None
            raise
        try:
            yield
        finally:
            self._give_back(project)

    def _give_turns(self) -> None:
        """To those that wait, as long as one of them may have another."""
        while True:
            n_free = self._n_slots - self._held.total()
            ready = [
                wait
                for wait in self._waiting
                if self._held[wait.project] < n_free and not wait.turn.done()
            ]
            if not ready:
                return
            chosen = min(ready, key=lambda wait: self._held[wait.project])
            self._waiting.remove(chosen)
            self._held[chosen.project] += 1
            chosen.turn.set_result(None)

    def _give_up(self, wait: _Wait) -> None:
        """Wait no longer; a turn that came at the last moment is given back."""
        if wait in self._waiting:
            self._waiting.remove(wait)
        else:
            self._give_back(wait.project)

    def _give_back(self, project: str) -> None:
        self._held[project] -= 1
        if not self._held[project]:
            del self._held[project]
        self._give_turns()


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

"""A process that was asked to stop ends, whatever it waits for.

A stop has no loss to fear: each part of the service may be killed between any two statements.
What a stop waits for has limits of its own (a request to Ray, a transaction, a webhook on its way).
Should one of them not hold, systemd or Kubernetes would kill the process without a word. So it ends
itself a little earlier, and says where each of its threads was.
"""

from __future__ import annotations

import faulthandler
import signal
import threading
from types import FrameType
from typing import Final

from meta_trainer.stop_signals import set_soon

API_SECONDS: Final = 25.0
"""Requests in flight have 10 s of it (`services.serving.GRACE_SECONDS`)."""
RECONCILER_SECONDS: Final = 50.0
"""A request to the executor (10 s to connect, 10 s to answer), a webhook on its way (20 s), and the
lease."""
AROUND_DRAIN_SECONDS: Final = 130.0
"""Of `up`, beside the time that its drivers have for a checkpoint (`cancel_grace_seconds`).

The request and the webhook (40 s), jobs that pause after trouble (30 s), and the local Ray (60 s).
"""
_STDERR: Final = 2


class StopLimit:
    """The end of a process, so many seconds after it was asked to stop for the first time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._has_begun = False

    def begin(self) -> None:
        """Let the time run. Then the stacks of all threads are on stderr, and the exit status is 1.

        A handler of signals may call it: it waits for no lock, and nor does the end.
        """
        if self._has_begun:
            return
        self._has_begun = True
        faulthandler.dump_traceback_later(self._seconds, exit=True, file=_STDERR)


def stop_at_signals(stop: threading.Event, limit: StopLimit) -> None:
    """SIGTERM and SIGINT set the event, and the time of the limit runs from the first."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        limit.begin()
        set_soon(stop)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)

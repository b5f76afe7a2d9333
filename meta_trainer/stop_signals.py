"""What a handler of signals may set.

Python runs a handler in the main thread, between two steps of whatever that thread is at. So a
handler may wait for no lock: the main thread may hold it, and would wait for itself for ever.
`threading.Event.set` takes the lock that `Event.wait` takes.
"""

from __future__ import annotations

import _thread
import threading


class Flag:
    """Like an event for which nobody waits: it has no lock, and a handler may set it."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set


def set_soon(event: threading.Event) -> None:
    """Set an event for which somebody waits, from another thread; a handler may call it.

    `threading.Thread.start` waits for locks, too; `_thread.start_new_thread` for none.
    """
    _thread.start_new_thread(event.set, ())

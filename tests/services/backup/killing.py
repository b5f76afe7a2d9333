"""kill -9 at an exact moment: when the n-th file below a folder is opened, renamed or removed."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

EVENTS = {"open", "os.rename", "os.remove", "sqlite3.connect", "subprocess.Popen"}


def run_and_kill(action: Callable[[], object], below: Path, moment: int) -> None:
    """Do it in a process of its own, which is killed at that moment."""
    child = os.fork()
    if child == 0:
        sys.addaudithook(_Count(below, moment).hear)
        os._exit(_run(action))
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it was done, or failed, before that moment"
    assert os.WTERMSIG(status) == signal.SIGKILL


def count_moments(action: Callable[[], object], below: Path) -> int:
    """How many moments there are in all."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        count = _Count(below, moment=0)
        sys.addaudithook(count.hear)
        code = _run(action)
        os.write(writer, str(count.n_events).encode())
        os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status == 0
    os.close(writer)
    with os.fdopen(reader) as opened:
        return int(opened.read())


class _Count:
    def __init__(self, below: Path, moment: int) -> None:
        self.n_events = 0
        self._below = str(below)
        self._moment = moment

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if event not in EVENTS or not any(self._below in str(one) for one in arguments):
            return
        self.n_events += 1
        if self.n_events == self._moment:
            os.kill(os.getpid(), signal.SIGKILL)


def _run(action: Callable[[], object]) -> int:
    try:
        action()
    except Exception:  # noqa: BLE001
        traceback.print_exc()
        return 1
    return 0

"""The parent of one driver of `ProcessExecutor`.

    python -m services.executors.supervisor FOLDER COMMAND…

It outlives the service that started it, and keeps in FOLDER what the executor wants to know:

| file | what |
|---|---|
| `lock` | held as long as the supervisor or its driver lives |
| `group` | the id of their process group |
| `exit` | the driver's exit status |
| `log` | what the driver writes |

A second supervisor in the same folder ends at once without doing anything, so that a repeated
submission runs nothing twice.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from services.own_files import open_own

LOCK: Final = "lock"
GROUP: Final = "group"
EXIT: Final = "exit"
LOG: Final = "log"


def write_whole(path: Path, text: str) -> None:
    """Write a file so that readers see all of it or nothing."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    part.replace(path)


def is_locked(folder: Path) -> bool:
    """Whether a supervisor or driver of this folder is alive."""
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def supervise(folder: Path, command: list[str], on_started: Callable[[], None]) -> None:
    """Run the command once in the life of the folder, and keep its exit status."""
    with (folder / LOCK).open("w") as lock:
        if not _take(lock, folder):
            return
        # the driver inherits the lock: it stays held even if this process is killed
        with open_own(folder / LOG, "ab") as log:
            driver = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[lock.fileno()]
            )
        on_started()
        write_whole(folder / EXIT, str(driver.wait()))


def _take(lock: IO[str], folder: Path) -> bool:
    """Lock the folder and put our process group's id on it; False if another has, or had, it."""
    while not (folder / GROUP).exists():
        # another supervisor may hold the lock, or `is_locked` for a moment
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (folder / GROUP).exists():
                return False
            write_whole(folder / GROUP, str(os.getpgid(0)))
            return True
        time.sleep(0.01)
    return False


def main() -> None:
    """Return as soon as the driver is started.

    A child in a session of its own is left to wait for the driver.
    """
    folder = Path(sys.argv[1])
    command = sys.argv[2:]

    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        os.read(reader, 1)  # the end of the file: the child closed its side, or died
        return

    os.close(reader)
    os.setsid()
    # a request to stop goes to the whole group; the driver decides
    signal.signal(signal.SIGTERM, lambda *_: None)
    supervise(folder, command, lambda: os.close(writer))


if __name__ == "__main__":
    main()

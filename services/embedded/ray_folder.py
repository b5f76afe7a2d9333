"""The folder of one local Ray cluster's files: sockets, logs, what its jobs unpack.

Ray lets everybody write into its own folder (mode 0777), and reads the logs of jobs there. So that
folder lies in one that only this user may enter. A folder whose cluster was killed is removed by
the next cluster that starts.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from services.executors.surroundings import LONGEST_TEMPORARY

PREFIX: Final = "hyperadam-"
MAKING_SECONDS: Final = 60.0
"""A folder that is younger may not be locked yet."""


class NoFolder(Exception):
    """There is no place for a folder of so short a name."""


@contextmanager
def make_ray_folder(parent: Path | None = None) -> Iterator[tuple[Path, int]]:
    """The folder for Ray, and a descriptor: whoever inherits it keeps the folder from being
    removed. It is removed at the end.

    Raises:
        NoFolder: it can be made nowhere.
    """
    parent = parent or choose_parent()
    remove_left_folders(parent)
    try:
        private = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    except OSError as error:
        raise NoFolder(f"cannot make a folder in {parent}: {error.strerror}") from error
    with (private / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = private / "r"
        folder.mkdir()
        try:
            yield folder, lock.fileno()
        finally:
            shutil.rmtree(private, ignore_errors=True)


def choose_parent() -> Path:
    """The folder for temporary files, if its name is short enough; else `/tmp`."""
    chosen = Path(tempfile.gettempdir())
    return chosen if len(str(chosen)) <= LONGEST_TEMPORARY else Path("/tmp")


def list_left_folders(parent: Path) -> list[Path]:
    """This user's folders that no cluster holds any more."""
    left = []
    for private in sorted(parent.glob(f"{PREFIX}*")):
        with suppress(OSError):
            status = private.lstat()
            is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
            is_being_made = time.time() - status.st_mtime < MAKING_SECONDS
            if not is_ours or is_being_made:
                continue
            with (private / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.append(private)
    return left


def remove_left_folders(parent: Path) -> None:
    """Remove them."""
    for private in list_left_folders(parent):
        with suppress(OSError), (private / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(private, ignore_errors=True)

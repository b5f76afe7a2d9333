"""Files of this user's own: no link is followed, and no file of another user is opened.

Whoever may write into a folder can plant a link there to a secret that they may not read, and wait
for a service to copy it to where they may.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO, Final, Literal

_FLAGS: Final = {
    "rb": os.O_RDONLY,
    "wb": os.O_WRONLY | os.O_CREAT,
    "ab": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
}


def open_own(path: Path, mode: Literal["rb", "wb", "ab"]) -> IO[bytes]:
    """Open a file that this user owns under no other name; a new one is readable by its owner
    alone.

    Raises:
        FileNotFoundError: there is none to read.
        PermissionError: it is a link, another user's, or no file at all; nothing was written.
    """
    try:
        # O_NONBLOCK: a pipe is opened without waiting for its other end, and refused below
        flags = _FLAGS[mode] | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _not_ours(path) from error
        raise
    file = os.fdopen(descriptor, mode)
    if not _is_ours(os.fstat(descriptor)):
        file.close()
        raise _not_ours(path)
    if mode == "wb":  # only now: what is not ours keeps its bytes
        os.ftruncate(descriptor, 0)
    return file


def make_own_folder(path: Path) -> None:
    """Make a folder that only this user may enter, if there is none.

    Raises:
        PermissionError: there is one, but it is a link, or another user's.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise _not_ours(path)


def _is_ours(status: os.stat_result) -> bool:
    is_file = stat.S_ISREG(status.st_mode)
    return is_file and status.st_uid == os.geteuid() and status.st_nlink == 1


def _not_ours(path: Path) -> PermissionError:
    reason = "it is a link, another user's, or no plain file"
    return PermissionError(errno.EPERM, reason, str(path))

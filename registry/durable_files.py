"""Files that are whole or not there, and outlive a power failure."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def write_whole(target: Path, data: bytes) -> None:
    """Write beside the final name, flush to the disk and move into place.

    The folder is made where it is missing. Several processes may write one file at once: each
    unfinished one has a name of its own, which begins with a dot.

    Raises:
        OSError: it cannot be written; nothing unfinished is left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    flush_to_disk(target.parent)


def flush_to_disk(path: Path) -> None:
    """A file's bytes, or a folder's names, survive a power failure from now on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

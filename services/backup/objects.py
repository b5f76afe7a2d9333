"""Files by their digest: equal files of many runs are kept once, and every copy is checked."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from registry.durable_files import flush_to_disk
from services.backup.errors import BackupError
from services.backup.manifest import StoredFile

FOLDER: Final = "files"
_BLOCK_BYTES: Final = 1 << 20


def find_object(backup: Path, sha256: str) -> Path:
    return backup / FOLDER / sha256[:2] / sha256


def list_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Path below the root, and file: of all plain files, but for unfinished ones."""
    for current, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(current, name)
            if not name.startswith(".") and _is_plain(file):
                yield file.relative_to(root).as_posix(), file


def add_object(backup: Path, fetch: Callable[[Path], StoredFile]) -> StoredFile:
    """Take a file into a backup.

    Args:
        fetch: copies it to a new file.

    Raises:
        FileNotFoundError: it is gone.
    """
    part = backup / FOLDER / f".{secrets.token_hex(8)}.part"
    part.parent.mkdir(exist_ok=True)
    stored = fetch(part)
    flush_to_disk(part)
    place = find_object(backup, stored.sha256)
    place.parent.mkdir(exist_ok=True)
    part.replace(place)
    return stored


def copy_checked(source: Path, stored: StoredFile, target: Path) -> None:
    """Copy a file whose digest is known, whole or not at all.

    Raises:
        BackupError: its bytes are not what they were.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        copied = copy_file(source, part)
        flush_to_disk(part)
        if copied != stored:
            raise _was_changed(source)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def check_file(path: Path, stored: StoredFile) -> None:
    """
    Raises:
        BackupError: it is gone, or its bytes are not what they were.
    """
    try:
        with path.open("rb") as file:
            found = _read(file)
    except FileNotFoundError:
        raise BackupError(f"{path} is gone from the backup") from None
    if found != stored:
        raise _was_changed(path)


def describe_file(path: Path) -> StoredFile:
    with path.open("rb") as file:
        return _read(file)


def copy_file(source: Path, target: Path) -> StoredFile:
    with source.open("rb") as opened, target.open("xb") as file:
        return _read(opened, file)


def _read(source: IO[bytes], target: IO[bytes] | None = None) -> StoredFile:
    """Read to the end, and copy what is read if there is somewhere to copy it to."""
    digest = hashlib.sha256()
    n_bytes = 0
    while block := source.read(_BLOCK_BYTES):
        digest.update(block)
        n_bytes += len(block)
        if target is not None:
            target.write(block)
    return StoredFile(sha256=digest.hexdigest(), size_bytes=n_bytes)


def _is_plain(file: Path) -> bool:
    with suppress(FileNotFoundError):
        return stat.S_ISREG(file.lstat().st_mode)
    return False


def _was_changed(path: Path) -> BackupError:
    return BackupError(f"{path} was changed after the backup: its digest is another")

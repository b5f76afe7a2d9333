"""What an evaluation keeps on a machine: files by content, each named after the digest of all that
decides it."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hyperadam

import meta_trainer


def hash_content(content: Mapping[str, Any]) -> str:
    """Digest of JSON, whatever the order of its fields."""
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all, in a folder that is made where it is missing.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}.partial")
    unfinished.write_bytes(data)
    unfinished.replace(path)


@functools.cache
def fingerprint_code() -> str:
    """Digest of the code that decides what a run gives: the sources of `hyperadam` and
    `meta_trainer`."""
    digest = hashlib.sha256()
    for package in (hyperadam, meta_trainer):
        root = Path(package.__path__[0])
        sources = sorted(path for path in root.rglob("*") if path.suffix in (".py", ".c", ".h"))
        for path in sources:
            name = f"{package.__name__}/{path.relative_to(root).as_posix()}"
            digest.update(f"{name}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()

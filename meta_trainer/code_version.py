"""Which code made something: what a Θ's manifest and a report say of it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata, resources
from importlib.resources.abc import Traversable

import torch
from hyperadam.extensions import list_distributions


@cache
def describe_code() -> Mapping[str, str]:
    """Released version, digest of the sources that decide the numbers, the libraries beneath them,
    and what an operator installed beside them (`hyperadam.extensions`)."""
    extensions = " ".join(list_distributions())
    return {
        **({"extensions": extensions} if extensions else {}),
        "version": metadata.version("hyperadam-server"),
        "sources_sha256": _digest_sources("meta_trainer", "hyperadam.rules", "hyperadam.kernels"),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _digest_sources(*packages: str) -> str:
    digest = hashlib.sha256()
    for package in packages:
        for path, content in sorted(_list_sources(resources.files(package), package)):
            digest.update(path.encode() + b"\0" + content)
    return digest.hexdigest()


def _list_sources(folder: Traversable, path: str) -> list[tuple[str, bytes]]:
    """Path and content of every source file below a folder, which itself has the given path."""
    sources = []
    for entry in folder.iterdir():
        entry_path = f"{path}/{entry.name}"
        if entry.is_dir():
            sources += _list_sources(entry, entry_path)
        elif entry.name.endswith((".py", ".c", ".cpp", ".h")):
            sources.append((entry_path, entry.read_bytes()))
    return sources

"""New stores of a registry, in SQLite: MLflow's migrations, which take seconds, are done once for a
session, in a file that is copied."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path


@cache
def make_template() -> Path:
    """A file with MLflow's tables, as a registry makes it at its first connection."""
    # what only collects tests is spared MLflow
    from registry.mlflow_backend.connection import _make_sqlite

    folder = tempfile.mkdtemp(prefix="registry-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "registry.db"
    _make_sqlite(path)
    return path


def place_store(path: Path) -> Path:
    """Put a new store where a registry will find it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(make_template(), path))

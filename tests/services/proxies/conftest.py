"""SQLite alone: what stands before the service cannot tell which database there is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def database_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    shutil.copy(migrated_sqlite, tmp_path / "jobs.db")
    return f"sqlite:///{tmp_path / 'jobs.db'}"

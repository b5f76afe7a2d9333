"""SQLite alone: what stands before the service cannot tell which database there is."""

from __future__ import annotations

import pytest


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url

"""A job store whose newest writes are gone is noticed before anything is written into it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.database.base import Database
from services.database.marks import LostWrites, advance_mark, check_mark
from services.reconciler.loop import Reconciler


@pytest.fixture
def store(migrated_sqlite: Path, tmp_path: Path) -> Path:
    """A store that was left by a kill: its last writes are in the write-ahead log alone."""
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copy(migrated_sqlite, folder / "jobs.db")
    database = Database(f"sqlite:///{folder / 'jobs.db'}")
    advance_mark(database)
    with closing(sqlite3.connect(folder / "jobs.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    advance_mark(database)
    left = tmp_path / "left"
    shutil.copytree(folder, left)
    database.dispose()
    return left / "jobs.db"


def open_store(path: Path) -> None:
    database = Database(f"sqlite:///{path}")
    try:
        check_mark(database)
    finally:
        database.dispose()


def test_a_store_with_its_log_is_whole(store: Path) -> None:
    assert store.with_name("jobs.db-wal").stat().st_size > 0
    open_store(store)


@pytest.mark.parametrize("accident", ["emptied", "removed"])
def test_a_store_without_its_log_is_refused(store: Path, accident: str) -> None:
    log = store.with_name("jobs.db-wal")
    if accident == "emptied":
        os.truncate(log, 0)
    else:
        log.unlink()
    with pytest.raises(LostWrites, match="has lost what was written last"):
        open_store(store)
    Path(f"{store}.mark").unlink()
    open_store(store)


def test_a_store_that_is_new_beside_its_mark_is_refused(store: Path) -> None:
    for file in (store, store.with_name("jobs.db-wal"), store.with_name("jobs.db-shm")):
        file.unlink(missing_ok=True)
    with pytest.raises(LostWrites):
        open_store(store)


def test_who_works_with_the_store_counts_on(reconciler: Reconciler, database: Database) -> None:
    if not database.is_sqlite:
        pytest.skip("only SQLite keeps its newest writes in a file beside it")
    reconciler.tick()
    file = Path(f"{database.engine.url.database}.mark")
    assert file.read_text() == "1"
    check_mark(database)

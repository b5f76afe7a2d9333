"""A mark beside a SQLite job store, by which it is seen that the store has lost writes.

The newest writes of such a store lie in its write-ahead log. Where that is emptied or lost, SQLite
opens what was there before without a word. So whoever works with the store counts on in it, and
then writes the same count into a file beside it: a store that knows a lower one has lost writes, or
is an older copy.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from services.database.base import Database
from services.database.facts import MARK, Fact, write_fact


class LostWrites(Exception):
    """The job store knows less than it did."""


def find_mark_file(database: Database) -> Path | None:
    """Where the mark of a SQLite store lies; None for any other store."""
    path = database.engine.url.database
    if not database.is_sqlite or not path or path == ":memory:":
        return None
    return Path(f"{path}.mark")


def advance_mark(database: Database) -> None:
    """Count on, in the store first: a crash in between leaves the file behind, never ahead."""
    file = find_mark_file(database)
    if file is None:
        return
    with database.write() as session:
        count = int(session.scalar(select(Fact.value).where(Fact.name == MARK)) or 0) + 1
        write_fact(session, MARK, str(count))
    part = file.with_name(f"{file.name}.part")
    part.write_text(str(count))
    part.replace(file)


def check_mark(database: Database) -> None:
    """Compare the store with its mark, before anything is written into it.

    Raises:
        LostWrites: the store lags behind.
    """
    file = find_mark_file(database)
    if file is None:
        return
    try:
        mark = int(file.read_text())
    except (FileNotFoundError, ValueError):  # it never had one, or the machine stopped meanwhile
        return
    count = _read_count(database)
    if count < mark:
        store: Final = database.engine.url.database
        raise LostWrites(
            f"{store} has lost what was written last (it is at {count}, its mark at {mark}): "
            f"{store}-wal is gone or emptied, or this is an older copy. Restore both from a "
            f"backup, or remove {file} to go on with what is left"
        )


def _read_count(database: Database) -> int:
    with suppress(OperationalError), database.read() as session:  # its tables may be gone
        return int(session.scalar(select(Fact.value).where(Fact.name == MARK)) or 0)
    return 0

"""Rows of the audit log that are old enough to go: first into a file, as JSON lines, then from the
table.

A file is named by the first and the last number (`seq`) in it, and is whole before a row goes.
After a kill between the two, the next file has the same rows again.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import delete, func, select

from registry.durable_files import write_whole
from services.audit.log import format_line
from services.audit.tables import AuditedRequest
from services.database.base import Database
from services.housekeeping.ended_jobs import Write
from services.housekeeping.findings import Finding
from services.own_files import make_own_folder

ROWS_OF_A_FILE: Final = 10_000


def prune_audit(
    database: Database,
    folder: Path,
    cut: datetime,
    *,
    write: Write | None,
    dry: bool,
    limit: int | None,
) -> Finding:
    """Put rows from before `cut` into files, and remove them; with a limit, those of one file.

    Raises:
        OSError: a file could not be written; its rows stay.
    """
    n_rows = 0
    is_through = dry
    if dry:
        n_rows = _count(database, cut)
    while not is_through:
        n_moved = _move_rows(database, folder, cut, write or database.write)
        n_rows += n_moved
        is_through = n_moved < ROWS_OF_A_FILE or limit is not None
    is_full = n_rows >= ROWS_OF_A_FILE
    return Finding(
        category="audit", n_items=n_rows, unit="rows", n_jobs=limit or 0 if is_full else 0
    )


def _count(database: Database, cut: datetime) -> int:
    query = select(func.count()).select_from(AuditedRequest).where(AuditedRequest.time < cut)
    with database.read() as session:
        return session.scalar(query) or 0


def _move_rows(database: Database, folder: Path, cut: datetime, write: Write) -> int:
    """The oldest rows into one file; how many they were."""
    row = AuditedRequest
    query = select(row).where(row.time < cut).order_by(row.seq).limit(ROWS_OF_A_FILE)
    with database.read() as session:
        rows = [_read_columns(each) for each in session.scalars(query)]
    if not rows:
        return 0
    numbers = [each["seq"] for each in rows]
    first = min(numbers)
    last = max(numbers)
    make_own_folder(folder)
    text = "".join(format_line(each) for each in rows)
    write_whole(folder / f"audit-{first:010d}-{last:010d}.jsonl", text.encode("ascii"))
    with write() as session:
        session.execute(delete(row).where(row.time < cut, row.seq.between(first, last)))
    return len(rows)


def _read_columns(row: AuditedRequest) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in AuditedRequest.__table__.columns}

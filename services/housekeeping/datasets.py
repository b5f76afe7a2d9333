"""Registered datasets that no job was submitted with for long."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from registry import Registry
from services.database.base import Database
from services.datasets.service import drop_file_if_unused, find_needing_job
from services.datasets.tables import RegisteredDataset
from services.housekeeping.ended_jobs import Write
from services.housekeeping.findings import Finding


def prune_datasets(
    database: Database,
    registry: Registry,
    cut: datetime,
    *,
    write: Write | None,
    dry: bool,
    limit: int | None,
) -> Finding:
    """Remove those that were used last before `cut` and that no job needs; at most `limit` of
    them."""
    is_old = RegisteredDataset.used_at < cut
    query = select(RegisteredDataset).where(is_old).order_by(RegisteredDataset.used_at)
    with database.read() as session:
        rows = [row for row in session.scalars(query) if find_needing_job(session, row) is None]
    n_bytes = 0
    for row in rows[:limit]:
        n_bytes += row.n_bytes
        if not dry:
            _remove(database, registry, row.name, cut, write)
    return Finding(
        category="datasets",
        n_items=len(rows[:limit]),
        unit="datasets",
        n_bytes=n_bytes,
        n_jobs=len(rows[:limit]),
    )


def _remove(
    database: Database, registry: Registry, name: str, cut: datetime, write: Write | None
) -> None:
    """Remove one, unless it is used again by now."""
    with (write or database.write)() as session:
        row = session.get(RegisteredDataset, name, with_for_update=True)
        if row is None or row.used_at >= cut or find_needing_job(session, row) is not None:
            return
        session.delete(row)
        sha256 = row.sha256
    with (write or database.write)() as session:
        drop_file_if_unused(database, session, registry, sha256)

"""Folders of drivers' processes in the home: `processes/ID`, `standby/standby-…` with its order.

What a driver wrote is in the job store by the time that its attempt has ended. A folder stays while
a process holds its lock, or its attempt may still be asked about.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import select

from meta_trainer.driver import standby_orders
from services.database.base import Database
from services.executors.supervisor import is_locked
from services.housekeeping.findings import Finding
from services.jobs.lifecycle import ENDED
from services.jobs.tables import Attempt, Job

_PROCESS_ID: Final = re.compile(r"(?P<job>job_[a-z0-9]+)-a(?P<attempt>[0-9]+)")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the job store says of attempts."""

    ended_at: dict[str, datetime]
    """Process id → when its attempt ended."""
    open_ids: frozenset[str]
    """Process ids of attempts that have not ended."""


def prune_folders(
    database: Database, home: Path, cut: datetime, *, dry: bool, limit: int | None = None
) -> Finding:
    """Remove the folders of attempts that ended before `cut`, and of jobs that are gone; at most
    `limit` of them."""
    n_folders = n_bytes = 0
    for folder in islice(_list_left(_read_standing(database), home, cut), limit):
        n_folders += 1
        n_bytes += measure(folder)
        if not dry:
            shutil.rmtree(folder, ignore_errors=True)
    return Finding(
        category="processes",
        n_items=n_folders,
        unit="folders",
        n_bytes=n_bytes,
        n_jobs=n_folders,
    )


def measure(folder: Path) -> int:
    """Bytes that files take on the disk, below a folder."""
    n_bytes = 0
    for path in [folder, *folder.rglob("*")]:
        with suppress(OSError):
            n_bytes += 512 * path.lstat().st_blocks
    return n_bytes


def _list_left(standing: Standing, home: Path, cut: datetime) -> Iterator[Path]:
    """Folders that nobody needs: those of a driver that was ready are known by its order."""
    processes = home / "processes"
    for folder in sorted(processes.glob("job_*")):
        if _is_left(standing, folder.name, cut) and not is_locked(folder):
            yield folder
    for folder in sorted((home / "standby").glob("standby-*")):
        order = standby_orders.read_order(folder)
        of_driver = processes / folder.name
        if order is None or is_locked(of_driver):
            continue
        if order == standby_orders.NOTHING or _is_left(standing, order.process_id, cut):
            yield folder
            if of_driver.is_dir():
                yield of_driver


def _is_left(standing: Standing, process_id: str, cut: datetime) -> bool:
    """Whether its attempt ended long ago, or its job is gone."""
    if not _PROCESS_ID.fullmatch(process_id) or process_id in standing.open_ids:
        return False
    ended_at = standing.ended_at.get(process_id)
    return ended_at is None or ended_at < cut


def _read_standing(database: Database) -> Standing:
    query = select(Job.id, Job.state, Attempt.number, Attempt.ended_at).join(
        Attempt, Attempt.job_id == Job.id
    )
    ended_at = {}
    open_ids = set()
    with database.read() as session:
        for job_id, state, number, moment in session.execute(query):
            process_id = f"{job_id}-a{number}"
            if moment is None:
                open_ids.add(process_id)
            else:
                ended_at[process_id] = moment
            if state not in ENDED and moment is None:
                open_ids.add(process_id)
    return Standing(ended_at=ended_at, open_ids=frozenset(open_ids))

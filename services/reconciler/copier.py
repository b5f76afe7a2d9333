"""Copies what running attempts leave into the job store: events at every step, logs now and
then."""

from __future__ import annotations

import logging
import time
from typing import Final

from registry import Registry
from services.executors.contract import Executor
from services.reconciler import ingest
from services.reconciler.driver_events import find_next_file, read_event_files
from services.reconciler.lease import LeaseHolder
from services.reconciler.snapshots import Snapshot, locked_rows

LOG_SECONDS: Final = 1.0
"""Time between two copies of a running attempt's log."""
GAP_SECONDS: Final = 30.0
"""A file of events that does not come for so long may be lost, with later ones there."""

logger = logging.getLogger(__name__)


class Copier:
    """Remembers, of each attempt, only when its log was copied last; how far it came stands in the
    attempt's row."""

    def __init__(
        self, registry: Registry, executor: Executor, lease: LeaseHolder, max_log_bytes: int
    ) -> None:
        self._registry = registry
        self._executor = executor
        self._lease = lease
        self._max_log_bytes = max_log_bytes
        self._log_copied_at: dict[str, float] = {}
        self._waiting_for: dict[str, tuple[int, float]] = {}
        """Attempt → the number of its next file of events, and since when that is waited for."""

    def copy(self, snapshot: Snapshot, run_id: str, *, final: bool) -> None:
        """Events and, now and then, the log; all of both when `final`."""
        self._copy_events(snapshot, run_id, final=final)
        last_copied_at = self._log_copied_at.get(snapshot.executor_id, 0.0)
        if final or time.monotonic() - last_copied_at > LOG_SECONDS:
            self._log_copied_at[snapshot.executor_id] = time.monotonic()
            self._copy_log(snapshot)

    def forget(self, executor_id: str) -> None:
        """The attempt has ended."""
        self._log_copied_at.pop(executor_id, None)
        self._waiting_for.pop(executor_id, None)

    def _copy_events(self, snapshot: Snapshot, run_id: str, *, final: bool) -> None:
        """Batch after batch, each in a transaction of its own; over the gaps that lost files
        left."""
        n_copied = self._copy_files(snapshot, run_id, snapshot.event_files)
        while self._looks_for_gap(snapshot.executor_id, n_copied, final=final):
            next_file = find_next_file(self._registry, run_id, snapshot.attempt, n_copied)
            if next_file is None:
                return
            if next_file > n_copied:
                n_lost = next_file - n_copied
                logger.warning("%s has lost %d files of events", snapshot.executor_id, n_lost)
                with locked_rows(self._lease, snapshot) as rows:
                    ingest.skip_lost_files(rows, n_lost)
            n_copied = self._copy_files(snapshot, run_id, next_file)

    def _copy_files(self, snapshot: Snapshot, run_id: str, first: int) -> int:
        """Those from `first` on up to a gap; returns the number after the last."""
        n_copied = first
        while files := read_event_files(self._registry, run_id, snapshot.attempt, n_copied):
            with locked_rows(self._lease, snapshot) as rows:
                ingest.add_events(rows, files)
                n_copied = rows.attempt.event_files
        return n_copied

    def _looks_for_gap(self, executor_id: str, number: int, *, final: bool) -> bool:
        """Whether it is time to ask if a file that is not there was lost: at the end, and when it
        has not come for a while."""
        now = time.monotonic()
        waiting_number, since = self._waiting_for.get(executor_id, (None, now))
        if waiting_number != number:
            since = now
        is_due = final or now - since > GAP_SECONDS
        self._waiting_for[executor_id] = (number, now if is_due else since)
        return is_due

    def _copy_log(self, snapshot: Snapshot) -> None:
        data = self._executor.log(snapshot.executor_id, after=snapshot.log_bytes)
        if not data:
            return
        with locked_rows(self._lease, snapshot) as rows:
            ingest.add_log(rows, data, self._max_log_bytes)

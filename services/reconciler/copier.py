"""Copies what running attempts leave into the job store: events at every step, logs now and
then."""

from __future__ import annotations

import time
from typing import Final

from registry import Registry
from services.executors.contract import Executor
from services.reconciler import ingest
from services.reconciler.driver_events import read_event_files
from services.reconciler.lease import LeaseHolder
from services.reconciler.snapshots import Snapshot, locked_rows

LOG_SECONDS: Final = 1.0
"""Time between two copies of a running attempt's log."""


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

    def copy(self, snapshot: Snapshot, run_id: str, *, final: bool) -> None:
        """Events and, now and then, the log; all of both when `final`."""
        self._copy_events(snapshot, run_id)
        last_copied_at = self._log_copied_at.get(snapshot.executor_id, 0.0)
        if final or time.monotonic() - last_copied_at > LOG_SECONDS:
            self._log_copied_at[snapshot.executor_id] = time.monotonic()
            self._copy_log(snapshot)

    def forget(self, executor_id: str) -> None:
        """The attempt has ended."""
        self._log_copied_at.pop(executor_id, None)

    def _copy_events(self, snapshot: Snapshot, run_id: str) -> None:
        """Batch after batch, each in a transaction of its own."""
        n_copied = snapshot.event_files
        while files := read_event_files(self._registry, run_id, snapshot.attempt, n_copied):
            with locked_rows(self._lease, snapshot) as rows:
                ingest.add_events(rows, files)
                n_copied = rows.attempt.event_files

    def _copy_log(self, snapshot: Snapshot) -> None:
        data = self._executor.log(snapshot.executor_id, after=snapshot.log_bytes)
        if not data:
            return
        with locked_rows(self._lease, snapshot) as rows:
            ingest.add_log(rows, data, self._max_log_bytes)

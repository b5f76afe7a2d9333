"""One attempt of one job, moved one step: submit it, ask it to stop, copy what it left, or take its
last word.

Every step may be cut off at any point and repeated by another reconciler. Effects outside the
database can be repeated without harm (`open_run`, `submit`, `stop`) and come before the row that
records them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from registry import Registry, RunStatus
from services.database.base import Database
from services.executors.contract import ENDED as PROCESS_ENDED
from services.executors.contract import Executor, ProcessStatus
from services.jobs import changes, queries
from services.jobs.lifecycle import ACTIVE, STOPPING, State, Trigger, next_state
from services.jobs.retries import Losses, is_final
from services.jobs.tables import Attempt, Job
from services.reconciler import ingest
from services.reconciler.copier import Copier
from services.reconciler.endings import (
    Ending,
    ending_of_lost,
    ending_of_record,
    read_record,
    read_sign_of_life,
)
from services.reconciler.lease import LeaseHolder
from services.reconciler.rights import Rights
from services.reconciler.snapshots import Snapshot, locked_rows, read_snapshot
from services.reconciler.stalls import Stalls
from services.reconciler.storage import measure_stored
from services.reconciler.submitter import Submitter
from services.settings import Settings
from services.signing import make_signer

logger = logging.getLogger(__name__)

EXIT_SECONDS: Final = 1.5
"""Patience with a process that has said its last word but has not ended; then it is told to, and no
longer watched."""
TAIL_BYTES: Final = 2000

_RUN_STATUS: Final[Mapping[State, RunStatus]] = {
    State.SUCCEEDED: "finished",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
}


class Attempts:
    """Steps of attempts, with the parts that they need."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        registry: Registry,
        executor: Executor,
        lease: LeaseHolder,
    ) -> None:
        self._settings = settings
        self._database = database
        self._registry = registry
        self._executor = executor
        self._lease = lease
        self._submitter = Submitter(settings, database, registry, executor, lease)
        self._copier = Copier(registry, executor, lease, settings.max_log_bytes)
        self._signer = make_signer(settings)
        self._rights = Rights(database, registry)
        self._stalls = Stalls(settings.stall_seconds, settings.freeze_seconds)
        self._record_seen_at: dict[str, float] = {}
        self._stop_seen_at: dict[str, float] = {}
        """When attempts were first seen that had been asked to stop; on the monotonic clock."""

    def advance(self, job_id: str, *, stop: bool) -> None:
        """One step of the job's attempt; `stop`: whether it is to end even though nobody asked that
        of the job."""
        snapshot = self._read(job_id)
        if snapshot is None or snapshot.state not in ACTIVE:
            return
        stop = stop or snapshot.state in STOPPING
        if snapshot.submitted_at is not None:
            self._watch(snapshot, stop=stop)
        elif not stop:
            self._submitter.submit(snapshot)
        elif self._executor.status(snapshot.executor_id) == "unknown":
            self._end(snapshot, Ending(trigger=Trigger.STOP))
        else:  # it was submitted, but that was not recorded
            self._watch(snapshot, stop=stop)

    def fail(self, job_id: str, message: str) -> None:
        """Give up a job whose attempt could not be submitted."""
        snapshot = self._read(job_id)
        if snapshot is not None and snapshot.submitted_at is None:
            error = {"type": "SubmissionFailed", "message": message}
            self._end(snapshot, Ending(trigger=Trigger.FAIL, error=error))

    def _read(self, job_id: str) -> Snapshot | None:
        with self._database.read() as session:
            return read_snapshot(session, job_id)

    def _watch(self, snapshot: Snapshot, *, stop: bool) -> None:
        # The status comes before the last word, which is written while the process lives.
        status = self._executor.status(snapshot.executor_id)
        run_id = snapshot.run_id or self._registry.open_run(snapshot.job_id, name=snapshot.run_name)
        record = read_record(self._registry, run_id, snapshot.attempt)
        has_ended = status in PROCESS_ENDED
        self._copier.copy(snapshot, run_id, final=record is not None or has_ended)
        self._tell_stall(snapshot, run_id)
        if not has_ended:
            self._rights.answer(snapshot, run_id)

        if record is None and has_ended:
            self._registry.check_files()  # during an outage nothing says that there is no last word
            self._conclude_lost(snapshot, run_id, status)
        elif record is None and stop:
            self._stop(snapshot)
        elif record is not None and (has_ended or self._is_overdue(snapshot)):
            if not has_ended:
                self._executor.stop(snapshot.executor_id)
            self._conclude(snapshot, run_id, record)

    def _tell_stall(self, snapshot: Snapshot, run_id: str) -> None:
        stall = self._stalls.look(
            snapshot.executor_id,
            (snapshot.event_files, snapshot.log_bytes),
            lambda: read_sign_of_life(self._registry, run_id, snapshot.attempt),
        )
        if stall is not None:
            logger.warning("%s stalls: %s", snapshot.executor_id, stall.reason)
            data = {"seconds": round(stall.seconds), "reason": stall.reason}
            with locked_rows(self._lease, snapshot) as (session, job, _):
                changes.append_event(session, job, "service.stalled", data)
                job.waiting_reason = stall.reason
        elif snapshot.waiting_reason is not None and self._stalls.goes_on(snapshot.executor_id):
            with locked_rows(self._lease, snapshot) as rows:
                rows.job.waiting_reason = None

    def _is_overdue(self, snapshot: Snapshot) -> bool:
        """Whether the process should have ended by now, after its last word."""
        seen_at = self._record_seen_at.setdefault(snapshot.executor_id, time.monotonic())
        return time.monotonic() - seen_at > EXIT_SECONDS

    def _stop(self, snapshot: Snapshot) -> None:
        if snapshot.stop_requested_at is None:
            self._executor.stop(snapshot.executor_id)
            with locked_rows(self._lease, snapshot) as rows:
                changes.record_stop_request(rows.attempt)
            logger.info("asked %s to stop", snapshot.executor_id)
            return
        seen_at = self._stop_seen_at.setdefault(snapshot.executor_id, time.monotonic())
        if time.monotonic() - seen_at > self._settings.cancel_grace_seconds:
            self._executor.kill(snapshot.executor_id)
            logger.warning("killed %s: it did not stop in time", snapshot.executor_id)

    def _conclude(self, snapshot: Snapshot, run_id: str, record: Mapping[str, Any]) -> None:
        ending = ending_of_record(record)
        if ending.error and self._may_do_better(snapshot, ending.error):
            ending = replace(ending, trigger=Trigger.FALTER)
        self._end(snapshot, ending, run_id)

    def _conclude_lost(self, snapshot: Snapshot, run_id: str, status: ProcessStatus) -> None:
        if snapshot.stop_requested_at is not None:
            # Killed, or stopped before it could listen: as was asked.
            self._end(snapshot, Ending(trigger=Trigger.STOP), run_id)
            return
        log_tail = self._read_log_tail(snapshot)
        trigger = Trigger.LOSE if self._may_retry(snapshot) else Trigger.GIVE_UP
        ending = ending_of_lost(snapshot.attempt, status, log_tail, trigger)
        self._end(snapshot, ending, run_id)

    def _read_log_tail(self, snapshot: Snapshot) -> str:
        with self._database.read() as session:
            job = session.get_one(Job, snapshot.job_seq)
            start = max(0, job.log_bytes - TAIL_BYTES)
            log, _ = queries.read_log_page(session, job.id, after=start)
        return log.decode("utf-8", "replace").strip()

    def _may_do_better(self, snapshot: Snapshot, error: Mapping[str, Any]) -> bool:
        """Whether another attempt might not fail, and there may be one."""
        with self._database.read() as session:
            previous = session.get(Attempt, (snapshot.job_id, snapshot.attempt - 1))
        previous_error = previous.error if previous else None
        return not is_final(error, previous_error) and self._may_retry(snapshot)

    def _may_retry(self, snapshot: Snapshot) -> bool:
        """Whether the bounds of the job and of the service leave another attempt after this one."""
        with self._database.read() as session:
            job = session.get_one(Job, snapshot.job_seq)
            losses = Losses.of_job(job).after_another(job.progress)
        bound = self._settings.max_attempts
        bound_of_job = int(snapshot.spec.get("max_attempts", bound))
        return losses.in_a_row < min(bound_of_job, bound)

    def _sign(self, record: Mapping[str, Any]) -> None:
        """Sign the version of a job that succeeds, as the registry has it."""
        if self._signer is None:
            return
        version = self._registry.version(record["optimizer"], str(record["number"]))
        if version.sha256 != record["sha256"]:
            logger.error("%s@%s is not what its driver says", version.optimizer, version.number)
            return
        self._signer.sign_version(self._registry, version)

    def _end(self, snapshot: Snapshot, ending: Ending, run_id: str | None = None) -> None:
        state = next_state(snapshot.state, ending.trigger)
        if run_id is not None and state in _RUN_STATUS:
            self._registry.close_run(run_id, _RUN_STATUS[state])
        if ending.trigger is Trigger.SUCCEED and isinstance(ending.version, Mapping):
            self._sign(ingest.version_record(ending.version))
        n_bytes = None if run_id is None else measure_stored(self._registry, run_id)
        with locked_rows(self._lease, snapshot) as (session, job, attempt):
            if next_state(State(job.state), ending.trigger) is not state:
                return  # asked for something else meanwhile: the next step takes that into account
            if run_id is not None:
                job.run_id = run_id
            if n_bytes is not None:
                job.stored_bytes = n_bytes
            if ending.trigger is Trigger.SUCCEED and isinstance(ending.version, Mapping):
                job.version = ingest.version_record(ending.version)
            changes.end_attempt(
                session, job, attempt, ending.trigger, ending.stored_error, ending.reason
            )
        self._copier.forget(snapshot.executor_id)
        self._stalls.forget(snapshot.executor_id)
        self._rights.forget(snapshot.executor_id)
        self._record_seen_at.pop(snapshot.executor_id, None)
        self._stop_seen_at.pop(snapshot.executor_id, None)
        logger.info("%s ended: %s, the job is %s", snapshot.executor_id, ending.trigger, state)

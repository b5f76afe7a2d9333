"""One attempt of one job, moved one step: submit it, ask it to stop, copy what it left, or take its
last word.

Every step may be cut off at any point and repeated by another reconciler. Effects outside the
database can be repeated without harm (`open_run`, `submit`, `stop`) and come before the row that
records them.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from registry.contract import ArtifactNotFound, Registry, RunStatus
from services.database.base import Database, now
from services.executors.contract import ENDED, Executor, ProcessStatus
from services.jobs import changes, queries
from services.jobs.lifecycle import ACTIVE, STOPPING, State, Trigger, next_state
from services.jobs.retries import Losses, is_final
from services.jobs.tables import Attempt, Job
from services.reconciler import ingest
from services.reconciler.environment import driver_environment
from services.reconciler.lease import LeaseHolder
from services.settings import Settings

logger = logging.getLogger(__name__)

LOG_SECONDS: Final = 1.0
"""Time between two copies of a running attempt's log."""
EXIT_SECONDS: Final = 1.5
"""Patience with a process that has said its last word but has not ended; then it is told to, and no
longer watched."""
TAIL_BYTES: Final = 2000

_ERROR_FIELDS: Final = ("type", "message", "update", "episode", "period", "seed")
"""Of a driver's error, what the job store keeps."""

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
        self._settings, self._database, self._registry = settings, database, registry
        self._executor, self._lease = executor, lease
        self._log_copied: dict[str, float] = {}
        self._done_seen: dict[str, float] = {}

    def advance(self, job_id: str, *, stop: bool) -> None:
        """One step of the job's attempt; `stop`: whether it is to end even though nobody asked that
        of the job."""
        with self._database.read() as session:
            job = queries.job(session, job_id)
            attempt = session.get(Attempt, (job_id, job.attempt)) if job else None
        if job is None or attempt is None or job.state not in ACTIVE:
            return
        stop = stop or job.state in STOPPING
        if attempt.submitted_at is None and not stop:
            self._submit(job, attempt)
        elif (
            attempt.submitted_at is None and self._executor.status(attempt.executor_id) == "unknown"
        ):
            self._end(job, attempt, Trigger.STOP)
        else:
            self._watch(job, attempt, stop=stop)

    def fail(self, job_id: str, message: str) -> None:
        """Give up a job whose attempt could not be submitted."""
        with self._database.read() as session:
            job = queries.job(session, job_id)
            attempt = session.get(Attempt, (job_id, job.attempt)) if job else None
        if job is not None and attempt is not None and attempt.submitted_at is None:
            self._end(job, attempt, Trigger.FAIL, {"type": "SubmissionFailed", "message": message})

    def _submit(self, job: Job, attempt: Attempt) -> None:
        run_id = self._registry.open_run(job.id, name=job.name or job.id, tags={"kind": job.kind})
        if attempt.number > 1:  # it may be a retry of a job that had ended
            self._registry.close_run(run_id, "running")
        order = {"job_id": job.id, "kind": job.kind, "name": job.name, "spec": job.spec}
        if (original := job.spec.get("continue_from")) is not None:
            order["original_run_id"] = self._run_of(original["job"])
        self._registry.put_artifact(run_id, "job.json", json.dumps(order).encode())
        driver = [self._settings.python, "-m", "meta_trainer.driver"]
        argv = [*driver, "--run-id", run_id, "--attempt", str(attempt.number)]
        self._executor.submit(attempt.executor_id, argv, driver_environment(self._settings))
        with self._lease.guarded_write() as session:
            mine, current = self._reload(session, job, attempt)
            mine.run_id, current.submitted_at = run_id, now()
        logger.info("submitted %s", attempt.executor_id)

    def _run_of(self, job_id: str) -> str | None:
        """The run of another job; None if it was deleted."""
        with self._database.read() as session:
            job = queries.job(session, job_id)
            return job.run_id if job else None

    def _watch(self, job: Job, attempt: Attempt, *, stop: bool) -> None:
        status = self._executor.status(
            attempt.executor_id
        )  # before `done`, which is written while the process lives
        run_id = job.run_id or self._registry.open_run(job.id, name=job.name or job.id)
        done = self._done(run_id, attempt)
        self._copy(job, attempt, run_id, final=done is not None or status in ENDED)
        if done is not None and status not in ENDED and self._waited_long(attempt):
            self._executor.stop(attempt.executor_id)
            status = "unknown"
        if done is not None and status in ENDED:
            self._conclude(job, attempt, run_id, done)
        elif done is None and status in ENDED:
            self._conclude_lost(job, attempt, run_id, status)
        elif stop and done is None:
            self._stop(job, attempt)

    def _done(self, run_id: str, attempt: Attempt) -> dict[str, Any] | None:
        try:
            content = json.loads(
                self._registry.get_artifact(run_id, f"attempts/{attempt.number:04d}/done.json")
            )
        except ArtifactNotFound:
            return None
        return content if isinstance(content, dict) else {}

    def _waited_long(self, attempt: Attempt) -> bool:
        first = self._done_seen.setdefault(attempt.executor_id, time.monotonic())
        return time.monotonic() - first > EXIT_SECONDS

    def _copy(self, job: Job, attempt: Attempt, run_id: str, *, final: bool) -> None:
        """Events and, now and then, the log; all of both when `final`."""
        while files := ingest.new_event_files(self._registry, run_id, attempt):
            with self._lease.guarded_write() as session:
                mine, current = self._reload(session, job, attempt)
                ingest.add_events(session, mine, current, files)
            attempt.event_files += len(files)
        if final or time.monotonic() - self._log_copied.get(attempt.executor_id, 0.0) > LOG_SECONDS:
            self._log_copied[attempt.executor_id] = time.monotonic()
            data = self._executor.log(attempt.executor_id, after=attempt.log_bytes)
            if data:
                with self._lease.guarded_write() as session:
                    mine, current = self._reload(session, job, attempt)
                    ingest.add_log(session, mine, current, data, self._settings.max_log_bytes)

    def _stop(self, job: Job, attempt: Attempt) -> None:
        if attempt.stop_requested_at is None:
            self._executor.stop(attempt.executor_id)
            with self._lease.guarded_write() as session:
                self._reload(session, job, attempt)[1].stop_requested_at = now()
            logger.info("asked %s to stop", attempt.executor_id)
        elif now() - attempt.stop_requested_at > timedelta(
            seconds=self._settings.cancel_grace_seconds
        ):
            self._executor.kill(attempt.executor_id)
            logger.warning("killed %s: it did not stop in time", attempt.executor_id)

    def _conclude(self, job: Job, attempt: Attempt, run_id: str, done: Mapping[str, Any]) -> None:
        triggers = {"succeeded": Trigger.SUCCEED, "stopped": Trigger.STOP, "failed": Trigger.FAIL}
        trigger, error = triggers.get(str(done.get("outcome"))), done.get("error")
        if trigger is None:
            message = f"done.json says {done!r:.200}"
            trigger, error = (
                Trigger.FAIL,
                {"type": "InvalidRecord", "message": message, "final": True},
            )
        elif trigger is Trigger.FAIL and not isinstance(error, Mapping):
            error = {"type": "Unknown", "message": "the driver failed without saying why"}
        error = dict(error or {}) if trigger is Trigger.FAIL else None
        if error and not is_final(error, self._error_before(attempt)) and self._may_retry(job):
            trigger = Trigger.FALTER
        self._end(job, attempt, trigger, error, run_id, done.get("version"))

    def _conclude_lost(
        self, job: Job, attempt: Attempt, run_id: str, status: ProcessStatus
    ) -> None:
        if (
            attempt.stop_requested_at is not None
        ):  # killed, or stopped before it could listen: as was asked
            self._end(job, attempt, Trigger.STOP, None, run_id)
            return
        message = f"the process of attempt {attempt.number} ended ({status}) without a last word"
        with self._database.read() as session:
            current = session.get_one(Job, job.seq)
            log, _ = queries.log_page(session, job.id, after=max(0, current.log_bytes - TAIL_BYTES))
        if tail := log.decode("utf-8", "replace").strip():
            message += f"\nThe end of its log:\n{tail}"
        trigger = Trigger.LOSE if self._may_retry(job) else Trigger.GIVE_UP
        self._end(job, attempt, trigger, {"type": "DriverLost", "message": message}, run_id)

    def _may_retry(self, job: Job) -> bool:
        """Whether the bounds of the job and of the service leave another attempt after this one."""
        with self._database.read() as session:
            current = session.get_one(Job, job.seq)
            losses = Losses.of(current).after_another(current.progress)
            own = int(current.spec.get("max_attempts", self._settings.max_attempts))
        return losses.in_a_row < min(own, self._settings.max_attempts)

    def _error_before(self, attempt: Attempt) -> dict[str, Any] | None:
        """The error of the attempt before this one."""
        with self._database.read() as session:
            before = session.get(Attempt, (attempt.job_id, attempt.number - 1))
            return before.error if before else None

    def _end(
        self,
        job: Job,
        attempt: Attempt,
        trigger: Trigger,
        error: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        version: object = None,
    ) -> None:
        final = next_state(State(job.state), trigger)
        if run_id is not None and final in _RUN_STATUS:
            self._registry.close_run(run_id, _RUN_STATUS[final])
        brief = {name: error[name] for name in _ERROR_FIELDS if name in error} if error else None
        with self._lease.guarded_write() as session:
            mine, current = self._reload(session, job, attempt)
            if (
                next_state(State(mine.state), trigger) is not final
            ):  # asked for something else meanwhile: next tick
                return
            mine.run_id = run_id or mine.run_id
            if trigger is Trigger.SUCCEED and isinstance(version, Mapping):
                mine.version = ingest.version_record(version)
            changes.end_attempt(session, mine, current, trigger, brief)
        self._log_copied.pop(attempt.executor_id, None)
        self._done_seen.pop(attempt.executor_id, None)
        logger.info("%s ended: %s, the job is %s", attempt.executor_id, trigger, final)

    def _reload(self, session: Session, job: Job, attempt: Attempt) -> tuple[Job, Attempt]:
        """Both rows, locked, in this session."""
        mine = changes.locked_job(session, job.id)
        if mine is None:
            raise LookupError(f"job {job.id} is gone")
        return mine, session.get_one(Attempt, (attempt.job_id, attempt.number))

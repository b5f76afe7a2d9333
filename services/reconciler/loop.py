"""The loop: take the lease, start what waits, move every attempt one step, sleep, again.

The reconciler keeps nothing that matters in memory: what is to be done is read from the job store
at every tick, so that it may be killed between any two statements and another goes on. Trouble with
one job is logged, recorded as an event of that job and tried again later; the others do not notice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.exc import SQLAlchemyError

from registry import Registry, RegistryError
from services.database.base import Database, now
from services.database.marks import advance_mark
from services.executors.contract import Executor, ExecutorUnavailable
from services.housekeeping.keeper import Housekeeper
from services.jobs import changes, queries, queue
from services.jobs.lifecycle import State, Trigger
from services.jobs.queue import QueueLimits
from services.jobs.tables import Job
from services.reconciler.attempts import Attempts
from services.reconciler.executor_health import OK, ExecutorHealth
from services.reconciler.lease import LeaseHolder, LeaseLost
from services.reconciler.troubles import LONGEST_PAUSE_SECONDS, Troubles
from services.reconciler.waiting import IS_WAITING, Waiting
from services.settings import Settings
from services.webhooks.courier import Courier

logger = logging.getLogger(__name__)


LONGEST_GOODBYE_SECONDS: Final = 20.0
"""For a webhook that is on its way when the service stops."""


class Reconciler:
    """One instance; any number may run, one at a time holds the lease."""

    def __init__(
        self, settings: Settings, database: Database, registry: Registry, executor: Executor
    ) -> None:
        self._settings = settings
        self._database = database
        self._lease = LeaseHolder(database, settings.lease_seconds)
        self._attempts = Attempts(settings, database, registry, executor, self._lease)
        self._executor_health = ExecutorHealth(executor)
        self._waiting = Waiting(settings, database, executor, self._lease)
        self._troubles = Troubles()
        self._published_health = ""
        self._renewed_at = float("-inf")
        self.courier = Courier(
            settings,
            database,
            write=self._lease.guarded_write,
            holds_lease=lambda: self._renewed_at > float("-inf"),
        )
        self._registry = registry
        self._housekeeper = Housekeeper(
            settings, database, registry, write=self._lease.guarded_write
        )
        self._outage = ""
        """What the registry said when it could keep no files; empty: it can."""

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop` is set, then let another take over. Jobs go on."""
        courier = threading.Thread(
            target=self.courier.run, args=[stop], name="courier", daemon=True
        )
        courier.start()
        while not stop.is_set():
            self._tick_safely(enough=stop.is_set)
            stop.wait(self._settings.poll_seconds)
        courier.join(LONGEST_GOODBYE_SECONDS)
        self.release()

    def drain(self) -> None:
        """Ask every running attempt to stop, and wait: their jobs are back in the queue, to go on
        at the next start."""
        deadline = time.monotonic() + self._settings.cancel_grace_seconds + LONGEST_PAUSE_SECONDS
        while time.monotonic() < deadline:
            self._tick_safely(draining=True)
            if not self._list_active_jobs():
                break
            time.sleep(min(0.1, self._settings.poll_seconds))
        self.release()

    def tick(self, *, draining: bool = False, enough: Callable[[], bool] = lambda: False) -> bool:
        """One pass over all jobs; False if another reconciler is at work.

        Args:
            draining: jobs are asked to stop, and none is started.
            enough: asked before each job; the pass ends where it is so.

        Raises:
            LeaseLost: another took over in the middle of it.
        """
        self._executor_health.check()
        if not self._renew():
            return False
        self._expire_overdue()
        self._housekeeper.step()
        if not self._executor_health.is_ok:  # jobs run on, and nothing can be known about them
            return True
        if not draining:
            self._start_safely()
        job_ids = self._list_active_jobs()
        self._troubles.keep_only(job_ids)
        for job_id in job_ids:
            if enough():
                break
            executor_answers = self._advance(job_id, draining=draining)
            self._renew()
            if not executor_answers:
                break
        return True

    def release(self) -> None:
        """Let another reconciler take over at once."""
        self._renewed_at = float("-inf")
        try:
            self._lease.release()
        except SQLAlchemyError:
            logger.exception("could not give the lease back; it ends by itself")

    def _tick_safely(
        self, *, draining: bool = False, enough: Callable[[], bool] = lambda: False
    ) -> None:
        try:
            self.tick(draining=draining, enough=enough)
        except LeaseLost as lost:
            self._renewed_at = float("-inf")
            logger.warning("%s", lost)
        except Exception:  # whatever it is, the next tick may go well
            logger.exception("a tick of the reconciler failed")

    def _renew(self) -> bool:
        """Keep the lease, and tell by it how the executor is: a cluster may look well and yet take
        no job."""
        health = self._executor_health.text
        if health == OK and self._troubles.refusal is not None:
            health = self._troubles.refusal
        is_fresh = time.monotonic() - self._renewed_at < self._settings.lease_seconds / 3
        if is_fresh and self._published_health == health:
            return True
        if not self._lease.acquire(health):
            self._renewed_at = float("-inf")
            return False
        advance_mark(self._database)
        self._renewed_at = time.monotonic()
        self._published_health = health
        return True

    def _start_queued(self) -> None:
        """Take jobs from the queue while there is room; submitting them comes after.

        Raises:
            RegistryError: their files could not be kept; they wait.
        """
        self._mend_pauses()
        with self._database.read() as session:
            may_start = or_(queries.is_due(now()), IS_WAITING)
            due = session.scalar(select(Job.seq).where(may_start).limit(1))
        if not due:
            return
        self._registry.check_files()
        self._waiting.update()
        with self._lease.guarded_write() as session:
            queue.start_due_jobs(session, QueueLimits.from_settings(self._settings))

    def _mend_pauses(self) -> None:
        """A job whose pause was written by a clock that was ahead waits no longer."""
        with self._database.read() as session:
            misdated = queries.list_misdated(session, now())
        for seq in misdated:
            with self._lease.guarded_write() as session:
                job = session.get(Job, seq, with_for_update=True)
                if job is not None and job.state == State.QUEUED:
                    job.retry_at = None

    def _start_safely(self) -> None:
        try:
            self._start_queued()
        except RegistryError as error:
            if str(error) != self._outage:
                logger.warning("no job is started: %s", error)
            self._outage = str(error)
        else:
            self._outage = ""

    def _expire_overdue(self) -> None:
        """Let jobs fail whose deadline has passed: at once where nothing runs, else after a
        checkpoint."""
        with self._database.read() as session:
            overdue = queries.list_overdue(session, now())
        for job_id in overdue:
            with self._lease.guarded_write() as session:
                job = changes.lock_job(session, job_id)
                if job is not None and job.deadline is not None and job.deadline <= now():
                    changes.apply_trigger_if_possible(session, job, Trigger.EXPIRE)

    def _list_active_jobs(self) -> list[str]:
        with self._database.read() as session:
            return queries.list_active(session)

    def _advance(self, job_id: str, *, draining: bool) -> bool:
        """Move one job; False if the executor did not answer, so that it is better not asked about
        others just now."""
        if self._troubles.must_wait(job_id):
            return True
        try:
            self._attempts.advance(job_id, stop=draining)
        except (LeaseLost, SQLAlchemyError):
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, the others do not notice
            self._note_trouble(job_id, error)
            return not isinstance(error, ExecutorUnavailable)
        self._troubles.clear(job_id)
        return True

    def _note_trouble(self, job_id: str, error: Exception) -> None:
        trouble = self._troubles.add(job_id, error)
        if trouble.is_new:
            with self._lease.guarded_write() as session:
                job = changes.lock_job(session, job_id)
                if job is not None:
                    data = {"message": trouble.message}
                    changes.append_event(session, job, "service.trouble", data)
        if trouble.is_hopeless:
            self._attempts.fail(job_id, trouble.message)

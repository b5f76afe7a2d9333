"""The loop: take the lease, start what waits, move every attempt one step, sleep, again.

The reconciler keeps nothing that matters in memory: what is to be done is read from the job store
at every tick, so that it may be killed between any two statements and another goes on. Trouble with
one job is logged, recorded as an event of that job and tried again later; the others do not notice.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from registry.contract import Registry
from services.database.base import Database, now
from services.executors.contract import Executor, ExecutorUnavailable
from services.jobs import changes, queries, queue
from services.jobs.lifecycle import ACTIVE, Trigger
from services.jobs.tables import Job
from services.reconciler.attempts import Attempts
from services.reconciler.lease import STARTING, LeaseHolder, LeaseLost
from services.settings import Settings

logger = logging.getLogger(__name__)

CHECK_SECONDS: Final = 2.0
"""Time between two looks at the executor's health."""
MAX_TROUBLES: Final = 10
"""Failed tries in a row after which an attempt that was never submitted is given up (about two
minutes)."""
LONGEST_PAUSE_SECONDS: Final = 30.0


@dataclass
class Trouble:
    """Failed steps of one job in a row."""

    count: int = 0
    faults: int = 0
    """Those that are not the executor's: of it, every one is forgiven."""
    refusal: str = ""
    """What the executor said, or why it said nothing, if that was the last of them."""
    retry_at: float = 0.0


class Reconciler:
    """One instance; any number may run, one at a time holds the lease."""

    def __init__(
        self, settings: Settings, database: Database, registry: Registry, executor: Executor
    ) -> None:
        self._settings, self._database, self._executor = settings, database, executor
        self._lease = LeaseHolder(database, settings.lease_seconds)
        self._attempts = Attempts(settings, database, registry, executor, self._lease)
        self._troubles: dict[str, Trouble] = {}
        self._health, self._told_health = STARTING, ""
        self._checked = self._renewed = float("-inf")

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop` is set, then let another take over. Jobs go on."""
        while not stop.is_set():
            self._tick_safely()
            stop.wait(self._settings.poll_seconds)
        self._release()

    def drain(self) -> None:
        """Ask every running attempt to stop, and wait: their jobs are back in the queue, to go on
        at the next start."""
        deadline = time.monotonic() + self._settings.cancel_grace_seconds + LONGEST_PAUSE_SECONDS
        while time.monotonic() < deadline:
            self._tick_safely(draining=True)
            if not self._active_jobs():
                break
            time.sleep(min(0.1, self._settings.poll_seconds))
        self._release()

    def tick(self, *, draining: bool = False) -> bool:
        """One pass over all jobs; False if another reconciler is at work.

        Raises:
            LeaseLost: another took over in the middle of it.
        """
        self._check_executor()
        if not self._renew():
            return False
        self._expire_overdue()
        if self._health != "ok":  # jobs run on, and nothing can be known about them
            return True
        if not draining:
            self._start_queued()
        active = self._active_jobs()
        self._troubles = {
            job_id: trouble for job_id, trouble in self._troubles.items() if job_id in active
        }
        for job_id in active:
            answers = self._advance(job_id, draining=draining)
            self._renew()
            if not answers:
                break
        return True

    def _tick_safely(self, *, draining: bool = False) -> None:
        try:
            self.tick(draining=draining)
        except LeaseLost as lost:
            self._renewed = float("-inf")
            logger.warning("%s", lost)
        except Exception:  # whatever it is, the next tick may go well
            logger.exception("a tick of the reconciler failed")

    def _release(self) -> None:
        self._renewed = float("-inf")
        try:
            self._lease.release()
        except SQLAlchemyError:
            logger.exception("could not give the lease back; it ends by itself")

    def _check_executor(self) -> None:
        if time.monotonic() - self._checked < CHECK_SECONDS:
            return
        self._checked = time.monotonic()
        before = self._health
        try:
            self._executor.check()
            self._health = "ok"
        except ExecutorUnavailable as error:
            self._health = str(error)
        if self._health == before:
            return
        if self._health in ("ok", STARTING):
            logger.info("the executor: %s", self._health)
        else:
            logger.warning("the executor cannot be used: %s", self._health)

    def _renew(self) -> bool:
        """Keep the lease, and tell by it how the executor is: a cluster may look well and yet take
        no job."""
        refusals = (trouble.refusal for trouble in self._troubles.values() if trouble.refusal)
        health = next(refusals, "ok") if self._health == "ok" else self._health
        fresh = time.monotonic() - self._renewed < self._settings.lease_seconds / 3
        if fresh and self._told_health == health:
            return True
        if not self._lease.acquire(health):
            self._renewed = float("-inf")
            return False
        self._renewed, self._told_health = time.monotonic(), health
        return True

    def _start_queued(self) -> None:
        """Take jobs from the queue while there is room; submitting them comes after."""
        with self._database.read() as session:
            if not session.scalar(select(Job.seq).where(queries.due(now())).limit(1)):
                return
        with self._lease.guarded_write() as session:
            queue.take(session, queue.Limits.of(self._settings))

    def _expire_overdue(self) -> None:
        """Let jobs fail whose deadline has passed: at once where nothing runs, else after a
        checkpoint."""
        with self._database.read() as session:
            overdue = queries.overdue(session, now())
        for job_id in overdue:
            with self._lease.guarded_write() as session:
                job = changes.locked_job(session, job_id)
                if job is not None and job.deadline is not None and job.deadline <= now():
                    changes.apply_if_possible(session, job, Trigger.EXPIRE)

    def _active_jobs(self) -> list[str]:
        with self._database.read() as session:
            return list(
                session.scalars(select(Job.id).where(Job.state.in_(ACTIVE)).order_by(Job.seq))
            )

    def _advance(self, job_id: str, *, draining: bool) -> bool:
        """Move one job; False if the executor did not answer, so that it is better not asked about
        others just now."""
        trouble = self._troubles.get(job_id)
        if trouble is not None and time.monotonic() < trouble.retry_at:
            return True
        try:
            self._attempts.advance(job_id, stop=draining)
        except (LeaseLost, SQLAlchemyError):
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, the others do not notice
            self._note_trouble(job_id, error)
            return not isinstance(error, ExecutorUnavailable)
        self._troubles.pop(job_id, None)
        return True

    def _note_trouble(self, job_id: str, error: Exception) -> None:
        trouble = self._troubles.setdefault(job_id, Trouble())
        refused, message = (
            isinstance(error, ExecutorUnavailable),
            f"{type(error).__name__}: {error}"[:2000],
        )
        trouble.count += 1
        trouble.faults += not refused
        trouble.refusal = str(error) if refused else ""
        trouble.retry_at = time.monotonic() + min(LONGEST_PAUSE_SECONDS, 0.5 * 2**trouble.count)
        shown = None if refused else error
        logger.warning(
            "trouble with %s, try %d: %s", job_id, trouble.count, message, exc_info=shown
        )
        if trouble.count == 1:
            with self._lease.guarded_write() as session:
                if (job := changes.locked_job(session, job_id)) is not None:
                    changes.append_event(session, job, "service.trouble", {"message": message})
        if trouble.faults >= MAX_TROUBLES:
            self._attempts.fail(job_id, message)

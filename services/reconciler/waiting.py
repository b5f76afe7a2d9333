"""Jobs that cannot start as things are: they wait with the reason, and others go first. No node
could hold them, their attempt found no room, or whoever submitted them has no rights any more.

What the executor has is asked now and then. Where nothing can be added to it (a machine of its
own), it is published in the job store, so that the API refuses such a job at once.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import and_, or_, select

from services.auth.submitters import list_ended
from services.database.base import Database, now
from services.database.facts import NODES, write_fact
from services.executors.contract import Executor, ExecutorUnavailable
from services.jobs import changes
from services.jobs.lifecycle import State, Trigger
from services.jobs.needs import describe_shortage
from services.jobs.tables import Job
from services.reconciler.lease import LeaseHolder
from services.settings import Settings

logger = logging.getLogger(__name__)

ASK_SECONDS: Final = 10.0
"""Time between two looks at the nodes."""

IS_WAITING: Final = Job.state == State.WAITING


class Waiting:
    """Moves jobs between the queue and the state `waiting`."""

    def __init__(
        self, settings: Settings, database: Database, executor: Executor, lease: LeaseHolder
    ) -> None:
        self._database = database
        self._executor = executor
        self._lease = lease
        self._is_fixed = settings.executor == "process" or not settings.ray_address
        self._nodes: Sequence[Mapping[str, float]] = ()
        self._asked_at = float("-inf")

    def update(self) -> None:
        """Let jobs wait that cannot start as things are, and come back that can."""
        self._ask()
        with self._database.read() as session:
            ended = list_ended(session)
            may_wait = or_(Job.kind == "study", Job.api_key_id.in_(ended))
            is_queued = and_(Job.state == State.QUEUED, may_wait)
            rows = list(session.scalars(select(Job).where(or_(is_queued, IS_WAITING))))
        for row in rows:
            reason = self._find_reason(row, ended)
            if reason != row.waiting_reason or (reason is None) == (row.state == State.WAITING):
                self._change(row.seq, reason)

    def _find_reason(self, job: Job, ended: Mapping[str, str]) -> str | None:
        """Why the job has to wait now; None: it need not."""
        end = ended.get(job.api_key_id or "")
        if end is not None:
            return f"{end}; a clone with another key runs"
        shortage = describe_shortage(job.kind, job.spec, self._nodes)
        if shortage is not None:
            return shortage
        if job.state == State.WAITING and job.retry_at is not None:  # it found no room
            moment = now()
            is_pausing = moment < job.retry_at <= moment + changes.ROOM_PAUSE
            return job.waiting_reason if is_pausing else None
        return None

    def _change(self, seq: int, reason: str | None) -> None:
        with self._lease.guarded_write() as session:
            job = session.get(Job, seq, with_for_update=True)
            if job is None or job.state not in (State.QUEUED, State.WAITING):
                return
            if reason is None:
                changes.apply_trigger_if_possible(session, job, Trigger.ADMIT)
            elif not changes.apply_trigger(session, job, Trigger.HOLD, reason=reason):
                job.waiting_reason = reason
            logger.info("%s waits: %s", job.id, reason or "no longer")

    def _ask(self) -> None:
        if time.monotonic() - self._asked_at < ASK_SECONDS:
            return
        self._asked_at = time.monotonic()
        try:
            nodes = self._executor.list_nodes()
        except ExecutorUnavailable:
            return
        if nodes == self._nodes:
            return
        self._nodes = nodes
        if self._is_fixed:
            with self._lease.guarded_write() as session:
                write_fact(session, NODES, json.dumps([dict(node) for node in nodes]))

"""Jobs that no node could hold: they wait in the queue with the reason, and others go first.

What the executor has is asked now and then. Where nothing can be added to it (a machine of its
own), it is published in the job store, so that the API refuses such a job at once.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import or_, select

from services.auth.tables import ApiKey
from services.database.base import Database
from services.database.facts import NODES, write_fact
from services.executors.contract import Executor, ExecutorUnavailable
from services.jobs.lifecycle import State
from services.jobs.needs import describe_shortage
from services.jobs.tables import Job
from services.reconciler.lease import LeaseHolder
from services.settings import Settings

logger = logging.getLogger(__name__)

ASK_SECONDS: Final = 10.0
"""Time between two looks at the nodes."""
REVOKED: Final = "the API key that submitted it was revoked; a clone with another key runs"


class Waiting:
    """Keeps `waiting_reason` of queued jobs as the nodes are."""

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
        """Say of every queued job that names what it needs whether it has to wait."""
        self._ask()
        with self._database.read() as session:
            revoked = set(session.scalars(select(ApiKey.id).where(ApiKey.revoked_at.is_not(None))))
            may_wait = or_(
                Job.kind == "study",
                Job.waiting_reason.is_not(None),
                Job.api_key_id.in_(revoked),
            )
            query = select(Job.seq, Job.kind, Job.spec, Job.api_key_id, Job.waiting_reason)
            rows = session.execute(query.where(Job.state == State.QUEUED, may_wait))
            changes = {}
            for seq, kind, spec, key_id, before in rows:
                reason = describe_shortage(kind, spec, self._nodes)
                if key_id in revoked:
                    reason = REVOKED
                if reason != before:
                    changes[seq] = reason
        for seq, reason in changes.items():
            with self._lease.guarded_write() as session:
                job = session.get(Job, seq, with_for_update=True)
                if job is not None and job.state == State.QUEUED:
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

"""Jobs that ended long ago, with all that a job leaves, by the service's own writers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.database.base import Database, now
from services.jobs import changes
from services.jobs.lifecycle import Trigger
from services.jobs.tables import Attempt, Job
from tests.services.support import Stage

PROGRESS: dict[str, Any] = {"update": 1, "n_updates": 4, "eta_seconds": 1.0}


class Past:
    """Lets jobs run, and lie in the past."""

    def __init__(self, stage: Stage, database: Database) -> None:
        self.stage = stage
        self.database = database

    def run_job(self, days: float, **request: Any) -> str:
        """A job that succeeded so many days ago."""
        job = self.stage.submit(**request)
        self.stage.tick()
        self.stage.process(job).log = b"a log\n" * 100
        run = self.stage.run_id(job)
        for path in ("checkpoints/00000002.safetensors", "best/checkpoint.safetensors"):
            self.stage.registry.put_artifact(run, path, b"1234")
        self.stage.registry.put_artifact(run, "result/result.json", b"{}")
        self.stage.drive(job, ("started", {}), ("progress", PROGRESS), ("checkpoint", {}))
        self.stage.finish(job, "succeeded")
        self.stage.tick_until(job, "succeeded")
        self.set_end(job, days)
        return job

    def set_end(self, job: str, days: float) -> None:
        with self.database.write() as session:
            row = changes.lock_job(session, job)
            assert row is not None
            row.ended_at = now() - timedelta(days=days)
            session.get_one(Attempt, (job, row.attempt)).ended_at = row.ended_at

    def retry(self, job: str) -> None:
        """As if it had failed, and were tried again."""
        with self.database.write() as session:
            row = changes.lock_job(session, job)
            assert row is not None
            row.state = "failed"
            changes.apply_trigger(session, row, Trigger.RETRY)

    def read(self, job: str) -> Job | None:
        with self.database.read() as session:
            return session.query(Job).filter(Job.id == job).one_or_none()


@pytest.fixture
def past(stage: Stage, database: Database) -> Past:
    return Past(stage, database)

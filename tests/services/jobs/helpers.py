"""Moments, refusals and ended jobs, for tests of what clients do to jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update

from services.database.base import Database
from services.jobs.tables import Job
from tests.services.support import Stage


def in_seconds(seconds: float) -> str:
    """The moment, as requests say it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def fields(answer: Any) -> list[str]:
    """The fields that a refusal names."""
    assert answer.status_code == 422, answer.text
    return [error["field"] for error in answer.json()["errors"]]


def overdue(database: Database, job_id: str) -> None:
    """Let the job's deadline lie in the past."""
    moment = datetime.now(UTC) - timedelta(seconds=1)
    with database.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(deadline=moment))


def ended(stage: Stage, outcome: str = "failed") -> str:
    """A job that came to its end."""
    job = stage.submit()
    stage.tick()
    error = {"type": "ValueError", "message": "it went wrong", "final": True}
    stage.finish(job, outcome, error=error if outcome == "failed" else None)
    stage.tick()
    return job

"""What is kept of requests: who asked, and for how long a repeat is known."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from services.database.base import Database, now
from services.idempotency.tables import UsedKey
from tests.services.support import Stage


def test_old_idempotency_keys_are_forgotten(stage: Stage, database: Database) -> None:
    for key in ("old", "new"):
        stage.client.post(
            "/v1/jobs",
            json={"kind": "meta-training", "spec": {"preset": "quick"}},
            headers={"Idempotency-Key": key},
        ).raise_for_status()
    with database.write() as session:
        row = session.scalars(select(UsedKey).where(UsedKey.key == "old")).one()
        row.created_at = now() - timedelta(days=31)
    stage.tick()
    with database.read() as session:
        assert session.scalars(select(UsedKey.key)).all() == ["new"]
        assert session.scalar(select(func.count()).select_from(UsedKey)) == 1


def test_events_say_who_asked(stage: Stage) -> None:
    job = stage.submit()
    stage.act(job, "pause")
    [state] = [event for event in stage.events(job) if event["type"] == "job.state"]
    assert state["data"]["actor"] == stage.job(job)["actor"]

"""How an attempt is stopped: given its time, and with the last word of whoever asked."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import call, patch

import pytest
from sqlalchemy import update

from services.database.base import Database, now
from services.jobs.tables import Attempt
from services.reconciler import attempts
from services.settings import Settings
from tests.services.support import Stage


def test_a_driver_is_killed_when_its_grace_is_over_and_no_later(
    stage: Stage, settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [100.0]
    monkeypatch.setattr(attempts.time, "monotonic", lambda: seconds[0])
    job = stage.submit()
    stage.tick()
    stage.act(job, "cancel")
    stage.tick(2)
    with database.write() as session:  # a clock that was set ahead meanwhile is no end of the grace
        moment = now() - timedelta(days=365)
        session.execute(update(Attempt).values(stop_requested_at=moment))
    seconds[0] += 0.9 * settings.cancel_grace_seconds
    stage.tick()
    assert stage.process(job).signals == ["stop"]
    seconds[0] += 0.2 * settings.cancel_grace_seconds
    stage.tick()
    assert stage.process(job).signals == ["stop", "kill"]


def test_a_cancellation_that_comes_while_an_attempt_is_ended_is_heard_at_the_next_tick(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the job would end, and its run stay open."""
    job = stage.submit()
    stage.tick()
    stage.finish(job, "stopped")
    status = stage.executor.status

    def cancel_meanwhile(process_id: str) -> str:
        monkeypatch.undo()
        stage.act(job, "cancel")
        return status(process_id)

    monkeypatch.setattr(stage.executor, "status", cancel_meanwhile)
    with patch.object(stage.registry, "close_run", wraps=stage.registry.close_run) as close_run:
        stage.tick()
        assert stage.state(job) == "cancelling"
        assert close_run.call_args_list == []
        stage.tick()
        assert stage.state(job) == "cancelled"
        assert close_run.call_args_list == [call(stage.run_id(job), "cancelled")]

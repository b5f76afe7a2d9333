"""Deadlines: what they stop, and which ones are refused."""

from __future__ import annotations

import pytest

from services.database.base import Database
from tests.services.jobs.helpers import fields, in_seconds, overdue
from tests.services.support import ON_ANY_DATABASE, Stage


def test_a_job_that_runs_past_its_deadline_is_stopped_and_fails(
    stage: Stage, database: Database
) -> None:
    job = stage.submit(deadline=in_seconds(3600))
    stage.tick()
    stage.drive(job, ("started", {}))
    stage.tick()
    overdue(database, job)
    stage.tick(2)
    assert stage.state(job) == "expiring"
    assert stage.process(job).signals == ["stop"]
    stage.finish(job, "stopped")
    stage.tick()
    assert stage.state(job) == "failed"
    assert stage.job(job)["error"]["type"] == "DeadlineExceeded"


def test_a_job_that_is_stopped_by_its_deadline_can_still_be_cancelled(
    stage: Stage, database: Database
) -> None:
    job = stage.submit()
    stage.tick()
    overdue(database, job)
    stage.tick()
    assert stage.state(job) == "expiring"
    assert stage.act(job, "cancel") == "cancelling"
    stage.finish(job, "stopped")
    stage.tick()
    assert stage.state(job) == "cancelled"
    assert stage.job(job)["error"] is None


def test_a_job_that_waits_past_its_deadline_never_starts(stage: Stage, database: Database) -> None:
    waiting = stage.submit()
    paused = stage.submit()
    stage.act(paused, "pause")
    for job in (waiting, paused):
        overdue(database, job)
    stage.tick()
    assert [stage.job(job)["error"]["type"] for job in (waiting, paused)] == [
        "DeadlineExceeded"
    ] * 2
    assert stage.executor.processes == {}


def test_a_job_that_succeeds_in_time_to_be_heard_has_succeeded(
    stage: Stage, database: Database
) -> None:
    job = stage.submit()
    stage.tick()
    overdue(database, job)
    stage.finish(job, "succeeded")
    stage.tick()
    assert stage.state(job) == "succeeded"


@ON_ANY_DATABASE
@pytest.mark.parametrize(
    "deadline",
    [
        "2020-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:00",
        "2100-01-01T00:00:00Z",
        "soon",
        pytest.param(in_seconds(60)[:-6], id="without a zone"),
    ],
)
def test_senseless_deadlines_are_refused(stage: Stage, deadline: str) -> None:
    body = {"kind": "meta-training", "spec": {"preset": "quick"}, "deadline": deadline}
    assert fields(stage.client.post("/v1/jobs", json=body)) == ["deadline"]
    assert fields(
        stage.client.patch(f"/v1/jobs/{stage.submit()}", json={"deadline": deadline})
    ) == ["deadline"]

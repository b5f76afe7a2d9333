"""Retry: what went wrong goes on as a new attempt, and what did not, cannot."""

from __future__ import annotations

from unittest.mock import call, patch

from services.database.base import Database
from tests.services.jobs.helpers import ended, overdue
from tests.services.support import Stage


def test_a_failed_job_goes_on_as_a_new_attempt(stage: Stage) -> None:
    job = ended(stage)
    assert stage.job(job)["error"]["type"] == "ValueError"
    assert stage.act(job, "retry") == "queued"
    again = stage.job(job)
    assert (again["error"], again["ended_at"], again["attempt"]) == (None, None, 1)
    with patch.object(stage.registry, "close_run", wraps=stage.registry.close_run) as close_run:
        stage.tick()
    assert close_run.call_args_list == [call(stage.run_id(job), "running")]
    assert stage.process(job, 2).argv[-2:] == ["--attempt", "2"]
    stage.finish(job, "succeeded", attempt=2)
    stage.tick()
    assert stage.state(job) == "succeeded"
    attempts = stage.client.get(f"/v1/jobs/{job}/attempts").json()["items"]
    assert [(attempt["number"], attempt["state"]) for attempt in attempts] == [
        (1, "failed"),
        (2, "succeeded"),
    ]
    assert stage.event_types(job).count("job.ended") == 2


def test_a_cancelled_job_can_be_retried_and_a_succeeded_one_cannot(stage: Stage) -> None:
    job = stage.submit()
    stage.act(job, "cancel")
    assert stage.act(job, "retry") == "queued"
    stage.act(job, "cancel")
    refused = stage.client.post(f"/v1/jobs/{ended(stage, 'succeeded')}/retry")
    assert (refused.status_code, refused.json()["state"]) == (409, "succeeded")


def test_a_retry_past_the_deadline_asks_for_another(stage: Stage, database: Database) -> None:
    job = ended(stage)
    overdue(database, job)
    refused = stage.client.post(f"/v1/jobs/{job}/retry")
    assert (refused.status_code, refused.json()["state"]) == (409, "failed")
    assert stage.state(job) == "failed"
    assert stage.client.patch(f"/v1/jobs/{job}", json={"deadline": None}).status_code == 200
    assert stage.act(job, "retry") == "queued"

"""`client.jobs` against the real application: from the submission to the result."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hyperadam
import pytest
from hyperadam.api import AsyncClient, Client, EvaluationResult, MetaTrainingResult, Result

from services.jobs.lifecycle import Trigger
from tests.client.conftest import QUICK, Service

pytestmark = pytest.mark.slow
SPEC = {"preset": "quick", "seed": 3}
TRAINED = {
    "optimizer": "hyperadam",
    "number": 1,
    "sha256": "ab" * 32,
    "best_update": 50,
    "best_validation_loss": 0.25,
    "initial_validation_loss": 0.5,
    "n_updates": 50,
    "wall_seconds": 12.5,
}


def test_a_job_from_submission_to_result(service: Service, client: Client, tmp_path: Path) -> None:
    job = client.jobs.submit("meta-training", SPEC, name="first", labels={"team": "a"})
    assert (job.kind, job.name, job.labels, job.state, job.actor) == (
        "meta-training",
        "first",
        {"team": "a"},
        "queued",
        "admin-key",
    )
    assert job.spec["seed"] == 3
    assert job.spec["n_learners"] == 4
    assert client.jobs.get(job.id) == job
    with pytest.raises(hyperadam.NotFound):
        client.jobs.result(job.id)

    service.begin(job.id)
    service.tell(job.id, "progress", update=1, n_updates=50, meta_loss=0.5, eta_seconds=9.0)
    service.metrics(job.id, "meta_loss", [0.5, math.inf, 0.25])
    service.artifact(job.id, "checkpoints/00000002.safetensors", b"123")
    service.artifact(job.id, "result/curves.png", b"picture")
    assert client.jobs.get(job.id).state == "running"
    service.end(job.id, Trigger.SUCCEED, TRAINED)

    ended = client.jobs.get(job.id)
    assert (ended.state, ended.ended, ended.progress, ended.attempt) == ("succeeded", True, 1.0, 1)
    assert client.jobs.wait(job.id) == ended
    result = client.jobs.result(job.id)
    assert isinstance(result, MetaTrainingResult)
    assert (result.number, result.best_validation_loss, result.wall_seconds) == (1, 0.25, 12.5)
    assert "curves.png" in [artifact.path for artifact in result.artifacts]
    assert client.jobs.download_result(job.id, "curves.png", tmp_path).read_bytes() == b"picture"
    assert [(item.update, item.size_bytes) for item in client.jobs.checkpoints(job.id)] == [(2, 3)]
    assert [(item.number, item.state) for item in client.jobs.attempts(job.id)] == [
        (1, "succeeded")
    ]
    assert client.jobs.metric_names(job.id) == ("meta_loss",)
    series = client.jobs.metrics(job.id, "meta_loss")
    assert series.steps == [0, 1, 2]
    assert [point.value for point in series.points] == [0.5, None, 0.25]
    assert client.jobs.metrics(job.id, "meta_loss", after_step=1).steps == [2]


def test_a_job_is_retried_cloned_edited_and_deleted(service: Service, client: Client) -> None:
    job = client.jobs.submit(
        "meta-training", SPEC, priority=4, deadline=timedelta(hours=1), labels={"team": "a"}
    )
    assert (job.priority, job.queue_position, job.starts_in_seconds) == (4, 1, 0.0)
    assert job.deadline is not None
    assert job.deadline > datetime.now(UTC) + timedelta(minutes=59)
    with pytest.raises(hyperadam.Conflict):
        client.jobs.delete(job.id)
    service.begin(job.id)
    service.end(job.id, Trigger.FAIL)
    retried = client.jobs.retry(job.id)
    assert (retried.state, retried.error) == ("queued", None)
    edited = client.jobs.edit(
        job.id, name="again", labels={"team": None, "phase": "2"}, deadline=None
    )
    assert (edited.name, edited.labels, edited.priority, edited.deadline) == (
        "again",
        {"phase": "2"},
        4,
        None,
    )
    moment = datetime.now(UTC) + timedelta(days=1)
    clone = client.jobs.clone(job.id, {"seed": 9}, name="copy", deadline=moment)
    assert (clone.cloned_from, clone.name, clone.deadline) == (job.id, "copy", moment)
    assert clone.spec == {**job.spec, "seed": 9}
    client.jobs.cancel(job.id)
    client.jobs.delete(job.id)
    with pytest.raises(hyperadam.NotFound):
        client.jobs.get(job.id)


def test_a_series_may_be_thinned(service: Service, client: Client) -> None:
    job = client.jobs.submit("meta-training", SPEC)
    service.begin(job.id)
    service.metrics(job.id, "meta_loss", [float(abs(step - 50)) for step in range(100)])
    series = client.jobs.metrics(job.id, "meta_loss", n_points=8)
    assert len(series.points) <= 8
    assert {0, 50, 99} <= set(series.steps)


def test_moments_need_a_zone(client: Client) -> None:
    with pytest.raises(ValueError, match="time zone"):
        client.jobs.submit("meta-training", SPEC, deadline=datetime(2030, 1, 1))  # noqa: DTZ001


def test_an_evaluation_is_pinned_and_its_result_is_typed(service: Service, client: Client) -> None:
    service.register(1)
    job = client.jobs.submit("evaluation", {"optimizers": ["hyperadam@latest"]})
    assert job.spec["optimizers"] == ["hyperadam@1"]
    row = {
        "task": "relu",
        "optimizer": "adam",
        "kind": "baseline",
        "mean": None,
        "stderr": None,
        "finals": [None],
    }
    service.begin(job.id)
    service.end(
        job.id,
        Trigger.SUCCEED,
        {"suite": "activations", "dataset": "mnist5k", "rows": [row], "horizon": 100},
    )
    result = client.jobs.result(job.id)
    assert isinstance(result, EvaluationResult)
    assert (result.rows[0].mean, result.rows[0].finals, result.horizon) == (None, (None,), 100)


def test_a_result_of_another_kind_is_plain(service: Service, client: Client) -> None:
    job = client.jobs.submit("meta-training", SPEC)
    service.begin(job.id)
    service.end(job.id, Trigger.SUCCEED, {"something": "new"})
    result = client.jobs.result(job.id)
    assert type(result) is Result
    assert result.raw["something"] == "new"


def test_a_failed_job_says_why(service: Service, client: Client) -> None:
    job = client.jobs.submit("meta-training", SPEC)
    service.begin(job.id)
    service.end(job.id, Trigger.FAIL)
    failed = client.jobs.get(job.id)
    assert failed.state == "failed"
    assert failed.error is not None
    assert (failed.error.type, failed.error.message) == ("ValueError", "it went wrong")
    error = client.jobs.attempts(job.id)[0].error
    assert error is not None
    assert error.message == "it went wrong"
    assert str(error) == "ValueError: it went wrong"
    assert error.update is None


def test_an_update_that_failed_says_where(service: Service, client: Client) -> None:
    job = client.jobs.submit("meta-training", SPEC)
    service.begin(job.id)
    service.end(job.id, Trigger.FAIL, where={"update": 7, "episode": 1, "period": 2, "seed": 0})
    error = client.jobs.get(job.id).error
    assert error is not None
    assert (error.update, error.episode, error.period, error.seed) == (7, 1, 2, 0)
    assert str(error) == "ValueError: it went wrong (update 7, episode 1, period 2, seed 0)"


def test_lists_are_filtered(client: Client) -> None:
    jobs = [client.jobs.submit("meta-training", SPEC, labels={"n": str(n % 2)}) for n in range(5)]
    newest_first = [job.id for job in reversed(jobs)]
    assert [job.id for job in client.jobs.list()] == newest_first
    assert [job.id for job in client.jobs.list(label="n:1")] == newest_first[1::2]
    assert [job.id for job in client.jobs.list(limit=2)] == newest_first[:2]
    assert list(client.jobs.list(kind="evaluation")) == []
    assert list(client.jobs.list(state="running")) == []
    client.jobs.cancel(jobs[0].id)
    assert [job.id for job in client.jobs.list(state="cancelled")] == [jobs[0].id]


def test_idempotency(client: Client) -> None:
    first = client.jobs.submit("meta-training", SPEC, idempotency_key="k1")
    assert client.jobs.submit("meta-training", SPEC, idempotency_key="k1").id == first.id
    assert client.jobs.submit("meta-training", SPEC).id != first.id
    with pytest.raises(hyperadam.IdempotencyMismatch) as caught:
        client.jobs.submit("meta-training", {"preset": "quick", "seed": 4}, idempotency_key="k1")
    assert caught.value.problem == "idempotency-mismatch"
    assert caught.value.request_id


def test_cancel_pause_and_resume(service: Service, client: Client) -> None:
    job = client.jobs.submit("meta-training", SPEC)
    service.begin(job.id)
    assert client.jobs.pause(job.id).state == "pausing"
    service.end(job.id, Trigger.STOP)
    assert client.jobs.get(job.id).state == "paused"
    assert client.jobs.resume(job.id).state == "queued"
    assert client.jobs.cancel(job.id).state == "cancelled"
    with pytest.raises(hyperadam.Conflict) as caught:
        client.jobs.resume(job.id)
    assert caught.value.state == "cancelled"


def test_the_asynchronous_client_does_the_same(service: Service) -> None:
    async def scenario() -> list[str]:
        async with AsyncClient(service.url, service.keys["admin"], retry=QUICK) as client:
            job = await client.jobs.submit("meta-training", SPEC)
            second = await client.jobs.submit("meta-training", SPEC)
            assert [item.id async for item in client.jobs.list()] == [second.id, job.id]
            following = asyncio.create_task(client.jobs.wait(job.id))
            await asyncio.sleep(0.1)
            assert (await client.jobs.cancel(job.id)).state == "cancelled"
            assert (await following).state == "cancelled"
            with pytest.raises(hyperadam.Conflict):
                await client.jobs.cancel(job.id)
            assert not (await client.ready()).ready
            return [event.type async for event in client.jobs.events(job.id)]

    assert asyncio.run(scenario())[-1] == "job.ended"

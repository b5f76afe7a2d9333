"""`client.jobs` against the real application: every call, and every way in which it may be
refused."""

from __future__ import annotations

import asyncio
import math
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hyperadam
import pytest
from hyperadam.api import AsyncClient, Client, EvaluationResult, MetaTrainingResult, Result
from hyperadam.api.bridge import run

from services.jobs import service as jobs_service
from services.jobs.lifecycle import Trigger
from services.problems import Unavailable
from tests.client.conftest import QUICK, Service

pytestmark = pytest.mark.slow

SPEC = {"preset": "quick", "seed": 3}
TRAINED = {
    "optimizer": "hyperadam",
    "number": 1,
    "sha256": "ab",
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
    assert [(one.update, one.size_bytes) for one in client.jobs.checkpoints(job.id)] == [(2, 3)]
    assert [(one.number, one.state) for one in client.jobs.attempts(job.id)] == [(1, "succeeded")]
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


def test_a_follower_goes_past_an_end_that_was_retried(service: Service, client: Client) -> None:
    job = client.jobs.submit("meta-training", SPEC)
    client.jobs.cancel(job.id)
    client.jobs.retry(job.id)
    service.begin(job.id)
    service.end(job.id, Trigger.SUCCEED, TRAINED)
    types = [event.type for event in client.jobs.follow(job.id)]
    assert types.count("job.ended") == 2
    assert client.jobs.wait(job.id).state == "succeeded"


def test_a_series_may_be_thinned(service: Service, client: Client) -> None:
    job = client.jobs.submit("meta-training", SPEC)
    service.begin(job.id)
    service.metrics(job.id, "meta_loss", [float(abs(step - 50)) for step in range(100)])
    thinned = client.jobs.metrics(job.id, "meta_loss", n_points=8)
    assert len(thinned.points) <= 8
    assert {0, 50, 99} <= set(thinned.steps)


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


def test_events_as_a_list_and_as_a_stream_are_the_same(service: Service, client: Client) -> None:
    job = client.jobs.submit("meta-training", SPEC)
    service.begin(job.id)
    for update in range(1, 251):
        service.tell(job.id, "progress", update=update, n_updates=250, meta_loss=0.5)
    so_far = list(client.jobs.events(job.id))
    assert [event.id for event in so_far] == list(range(1, len(so_far) + 1))
    service.end(job.id, Trigger.SUCCEED, TRAINED)
    everything = list(client.jobs.follow(job.id))
    assert everything[: len(so_far)] == so_far
    assert everything[-1].type == "job.ended"
    assert list(client.jobs.events(job.id)) == everything
    assert list(client.jobs.events(job.id, after=100, follow=True)) == everything[100:]
    assert list(client.jobs.follow(job.id, after=everything[-1].id)) == []


def test_events_come_live(service: Service, client: Client) -> None:
    job = client.jobs.submit("meta-training", SPEC)
    service.begin(job.id)
    seen = []
    for event in client.jobs.follow(job.id):
        seen.append(event.type)
        if event.type == "job.state" and event.data["to"] == "running":
            threading.Timer(0.3, service.tell, (job.id, "checkpoint"), {"update": 1}).start()
        if event.type == "checkpoint":
            service.end(job.id, Trigger.SUCCEED, TRAINED)
    assert seen[-3:] == ["checkpoint", "job.state", "job.ended"]


def test_a_stream_that_the_server_ends_goes_on_where_it_was(
    service: Service, client: Client
) -> None:
    job = client.jobs.submit("meta-training", SPEC)
    service.begin(job.id)
    events = client.jobs.follow(job.id)
    first = next(events)
    service.container.stopping.set()
    service.tell(job.id, "checkpoint", update=1)
    service.end(job.id, Trigger.SUCCEED, TRAINED)
    threading.Timer(0.3, service.container.stopping.clear).start()
    ids = [first.id, *(event.id for event in events)]
    assert ids == list(range(1, len(ids) + 1))


def test_logs_go_on_from_where_they_were(service: Service, client: Client) -> None:
    job = client.jobs.submit("meta-training", SPEC)
    service.begin(job.id)
    service.log(job.id, "first line\n")
    chunk = client.jobs.logs(job.id)
    assert (chunk.text, chunk.next, chunk.attempt) == ("first line\n", 11, 1)
    service.log(job.id, "Θ\n")
    assert client.jobs.logs(job.id, after=chunk.next).text == "Θ\n"
    assert client.jobs.logs(job.id, after=14).text == ""


def test_a_wrong_spec_names_its_fields(client: Client) -> None:
    with pytest.raises(hyperadam.ValidationFailed) as caught:
        client.jobs.submit(
            "meta-training", {"unroll": {"horizon": 0}, "n_learners": "many", "extra": 1}
        )
    fields = {error.field for error in caught.value.errors}
    assert fields == {"spec.unroll.horizon", "spec.n_learners", "spec.extra"}
    assert "spec.unroll.horizon" in str(caught.value)
    with pytest.raises(hyperadam.ValidationFailed) as caught:
        client.jobs.submit("evaluation", {"optimizers": ["nothing@1"]})
    assert [error.field for error in caught.value.errors] == ["spec.optimizers.0"]
    with pytest.raises(hyperadam.ValidationFailed) as caught:
        client.jobs.submit("cooking", {})
    assert [error.field for error in caught.value.errors] == ["kind"]
    assert list(client.jobs.list()) == []


def test_what_does_not_exist_is_not_found(client: Client, tmp_path: Path) -> None:
    calls = [
        lambda: client.jobs.get("job_none"),
        lambda: client.jobs.cancel("job_none"),
        lambda: client.jobs.logs("job_none"),
        lambda: client.jobs.metric_names("job_none"),
        lambda: client.jobs.metrics("job_none", "x"),
        lambda: client.jobs.attempts("job_none"),
        lambda: client.jobs.checkpoints("job_none"),
        lambda: client.jobs.result("job_none"),
        lambda: client.jobs.download_result("job_none", "x.png", tmp_path),
        lambda: next(client.jobs.events("job_none")),
        lambda: next(client.jobs.follow("job_none")),
        lambda: client.jobs.get("a/b"),
    ]
    for call in calls:
        with pytest.raises(hyperadam.NotFound) as caught:
            call()
        assert caught.value.request_id


def test_keys_and_scopes(service: Service) -> None:
    with (
        Client(service.url, "wrong", retry=QUICK) as stranger,
        pytest.raises(hyperadam.Unauthorized),
    ):
        next(stranger.jobs.list())
    with service.client("read") as reader:
        assert list(reader.jobs.list()) == []
        with pytest.raises(hyperadam.Forbidden):
            reader.jobs.submit("meta-training", SPEC)


def test_a_body_that_is_too_large(service: Service, client: Client) -> None:
    with pytest.raises(hyperadam.TooLarge) as caught:
        client.jobs.submit(
            "meta-training", {"text": "x" * service.container.settings.max_body_bytes}
        )
    assert caught.value.status == 413


def test_an_internal_error_has_a_request_id(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **keywords: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("services.jobs.service.show_job", broken)
    with pytest.raises(hyperadam.InternalError) as caught:
        client.jobs.get("job_1")
    assert caught.value.request_id
    assert "secret" not in str(caught.value)


def test_a_database_that_does_not_answer_for_a_moment(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = client.jobs.submit("meta-training", SPEC).id
    really, calls = jobs_service.show_job, []

    def sometimes(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise Unavailable("The database cannot answer now.", headers={"Retry-After": "0"})
        return really(*arguments)

    monkeypatch.setattr(jobs_service, "show_job", sometimes)
    assert client.jobs.get(job_id).id == job_id
    assert len(calls) == 2


def test_a_service_that_stays_unavailable(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: Any) -> Any:
        raise Unavailable("The database cannot answer now.")

    monkeypatch.setattr(jobs_service, "show_job", never)
    with pytest.raises(hyperadam.Unavailable, match="database cannot answer"):
        client.jobs.get("job_1")


def test_a_call_that_the_server_does_not_offer(client: Client) -> None:
    with pytest.raises(hyperadam.MethodNotAllowed):
        run(client.jobs._twin._session.request("PUT", "/v1/jobs/job_1"))


def test_health(service: Service, client: Client) -> None:
    assert client.live()
    state = client.ready()
    assert not state.ready
    assert (state.checks["database"], state.checks["registry"]) == ("ok", "ok")
    assert state.checks["reconciler"] != "ok"


def test_the_asynchronous_client_does_the_same(service: Service) -> None:
    async def scenario() -> list[str]:
        async with AsyncClient(service.url, service.keys["admin"], retry=QUICK) as client:
            job = await client.jobs.submit("meta-training", SPEC)
            other = await client.jobs.submit("meta-training", SPEC)
            assert [one.id async for one in client.jobs.list()] == [other.id, job.id]
            following = asyncio.create_task(client.jobs.wait(job.id))
            await asyncio.sleep(0.1)
            assert (await client.jobs.cancel(job.id)).state == "cancelled"
            assert (await following).state == "cancelled"
            with pytest.raises(hyperadam.Conflict):
                await client.jobs.cancel(job.id)
            assert not (await client.ready()).ready
            return [event.type async for event in client.jobs.events(job.id)]

    assert asyncio.run(scenario())[-1] == "job.ended"

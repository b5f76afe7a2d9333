"""Every way in which the real application may refuse a call or fail, as the client tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hyperadam
import pytest
from hyperadam.api import Client
from hyperadam.api.bridge import run

from services.jobs import service as jobs_service
from services.problems import Unavailable
from tests.client.conftest import QUICK, Service

pytestmark = pytest.mark.slow
SPEC = {"preset": "quick", "seed": 3}


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

    job_id = client.jobs.submit("meta-training", SPEC).id
    monkeypatch.setattr("services.jobs.service.show_job", broken)
    with pytest.raises(hyperadam.InternalError) as caught:
        client.jobs.get(job_id)
    assert caught.value.request_id
    assert "secret" not in str(caught.value)


def test_a_database_that_does_not_answer_for_a_moment(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = client.jobs.submit("meta-training", SPEC).id
    show_job = jobs_service.show_job
    calls = []

    def sometimes(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise Unavailable("The database cannot answer now.", headers={"Retry-After": "0"})
        return show_job(*arguments)

    monkeypatch.setattr(jobs_service, "show_job", sometimes)
    assert client.jobs.get(job_id).id == job_id
    assert len(calls) == 2


def test_a_service_that_stays_unavailable(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: Any) -> Any:
        raise Unavailable("The database cannot answer now.")

    job_id = client.jobs.submit("meta-training", SPEC).id
    monkeypatch.setattr(jobs_service, "show_job", never)
    with pytest.raises(hyperadam.Unavailable, match="database cannot answer"):
        client.jobs.get(job_id)


def test_a_call_that_the_server_does_not_offer(client: Client) -> None:
    with pytest.raises(hyperadam.MethodNotAllowed):
        run(client.jobs._twin._session.request("PUT", "/v1/jobs/job_1"))


def test_health(service: Service, client: Client) -> None:
    assert client.live()
    state = client.ready()
    assert not state.ready
    assert (state.checks["database"], state.checks["registry"]) == ("ok", "ok")
    assert state.checks["reconciler"] != "ok"

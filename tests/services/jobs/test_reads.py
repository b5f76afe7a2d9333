"""Reads of jobs: lists with filters and pages, events, metrics, logs, results."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from registry import MetricPoint
from services.container import Container
from tests.services.support import ON_ANY_DATABASE, Stage

pytestmark = pytest.mark.slow


def _get(client: TestClient, path: str, **params: Any) -> Any:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_list_is_newest_first_and_pages_without_gaps(stage: Stage) -> None:
    ids = [stage.submit() for _ in range(5)]
    first = _get(stage.client, "/v1/jobs", limit=2)
    stage.submit()
    second = _get(stage.client, "/v1/jobs", limit=2, cursor=first["next_cursor"])
    third = _get(stage.client, "/v1/jobs", limit=2, cursor=second["next_cursor"])
    assert [job["id"] for page in (first, second, third) for job in page["items"]] == ids[::-1]
    assert third["next_cursor"] is None
    assert [job["queue_position"] for job in first["items"]] == [5, 4]


def test_list_filters(stage: Stage) -> None:
    blue = stage.submit(labels={"team": "blue", "run.no": "1"})
    red = stage.submit(labels={"team": "red", "run.no": "1"})
    cancelled = stage.submit(labels={"team": "red"})
    stage.act(cancelled, "cancel")

    def ids(**params: Any) -> list[str]:
        return [job["id"] for job in _get(stage.client, "/v1/jobs", **params)["items"]]

    assert ids(label="team:red") == [cancelled, red]
    assert ids(label=["team:red", "run.no:1"]) == [red]
    assert ids(state="cancelled") == [cancelled]
    assert ids(state=["cancelled", "queued"]) == [cancelled, red, blue]
    assert ids(kind="evaluation") == []
    assert ids(kind="meta-training", label="team:blue") == [blue]


@ON_ANY_DATABASE
@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"state": "happy"}, "state.0"),
        ({"kind": "x"}, "kind.0"),
        ({"label": "novalue"}, "label.0"),
        ({"label": 'a"b:c'}, "label.0"),
    ],
)
def test_wrong_parameters_are_named(client: TestClient, params: dict[str, Any], field: str) -> None:
    answer = client.get("/v1/jobs", params=params)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/events",
        "/metrics",
        "/metrics?name=x",
        "/logs",
        "/attempts",
        "/checkpoints",
        "/result",
        "/result/a.md",
    ],
)
def test_unknown_job_is_a_404(client: TestClient, path: str) -> None:
    answer = client.get(f"/v1/jobs/job_nobody{path}")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


def test_new_job_has_empty_records(stage: Stage) -> None:
    base = f"/v1/jobs/{stage.submit()}"
    assert _get(stage.client, f"{base}/events") == {"items": [], "next_cursor": None}
    assert _get(stage.client, f"{base}/metrics") == {"names": []}
    assert _get(stage.client, f"{base}/metrics", name="meta_loss")["items"] == []
    assert _get(stage.client, f"{base}/logs") == {"text": "", "next": 0, "attempt": 0}
    assert _get(stage.client, f"{base}/attempts") == {"items": [], "next_cursor": None}
    assert _get(stage.client, f"{base}/checkpoints") == {"items": [], "next_cursor": None}
    assert stage.client.get(f"{base}/result").status_code == 404


def test_events_page_by_cursor(stage: Stage) -> None:
    job = stage.submit()
    stage.tick()
    stage.drive(job, *(("checkpoint", {"update": n}) for n in range(5)))
    stage.tick()
    first = _get(stage.client, f"/v1/jobs/{job}/events", limit=3)
    rest = _get(stage.client, f"/v1/jobs/{job}/events", after=first["next_cursor"])
    assert [event["id"] for event in first["items"] + rest["items"]] == list(range(1, 8))
    assert rest["next_cursor"] is None


def test_metrics_give_null_for_what_is_not_finite(stage: Stage) -> None:
    job = stage.submit()
    stage.tick()
    values = [2.0, math.nan, math.inf, 1.5]
    now = datetime.now(UTC)
    points = [
        MetricPoint(name="meta_loss", value=value, step=step, time=now)
        for step, value in enumerate(values)
    ]
    stage.registry.log_metrics(stage.run_id(job), points)
    base = f"/v1/jobs/{job}/metrics"
    assert _get(stage.client, base) == {"names": ["meta_loss"]}
    page = _get(stage.client, base, name="meta_loss", limit=3)
    assert [(point["step"], point["value"]) for point in page["items"]] == [
        (0, 2.0),
        (1, None),
        (2, None),
    ]
    rest = _get(stage.client, base, name="meta_loss", after_step=page["next_cursor"])
    assert [(point["step"], point["value"]) for point in rest["items"]] == [(3, 1.5)]


def test_log_pages_do_not_cut_characters(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    job = stage.submit()
    stage.tick()
    text = "Θ̂ ≈ 1\n" * 9
    stage.process(job).log = text.encode()[:-2]
    stage.tick()
    base = f"/v1/jobs/{job}/logs"
    page = _get(stage.client, base)
    stage.process(job).log = text.encode()
    stage.finish(job, "succeeded")
    stage.tick()
    rest = _get(stage.client, base, after=page["next"])
    assert page["text"] + rest["text"] == text
    assert (rest["next"], rest["attempt"]) == (len(text.encode()), 1)
    assert _get(stage.client, base, after=1)["text"].endswith(text[1:])
    assert _get(stage.client, base, after=rest["next"])["text"] == ""
    whole = stage.client.get(base, headers={"Accept": "text/plain"})
    assert (whole.text, whole.headers["content-type"]) == (text, "text/plain; charset=utf-8")


def test_result_and_its_files(stage: Stage) -> None:
    job = stage.submit()
    stage.tick()
    files = {
        "result.json": json.dumps({"loss": 0.5}).encode(),
        "curves.png": b"\x89PNG",
        "plots/page.html": b"<p>",
    }
    for path, data in files.items():
        stage.registry.put_artifact(stage.run_id(job), f"result/{path}", data)
    stage.registry.put_artifact(stage.run_id(job), "checkpoints/00000007.safetensors", b"1234")
    base = f"/v1/jobs/{job}"
    result = _get(stage.client, f"{base}/result")
    assert result["loss"] == 0.5
    assert {file["path"]: file["size_bytes"] for file in result["artifacts"]} == {
        k: len(v) for k, v in files.items()
    }
    picture = stage.client.get(f"{base}/result/curves.png")
    assert (picture.content, picture.headers["content-type"]) == (b"\x89PNG", "image/png")
    page = stage.client.get(f"{base}/result/plots/page.html")
    assert "sandbox" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert _get(stage.client, f"{base}/checkpoints")["items"] == [{"update": 7, "size_bytes": 4}]


@ON_ANY_DATABASE
@pytest.mark.parametrize(
    "path",
    [
        "missing.png",
        "../job.json",
        "%2e%2e/job.json",
        "..%2fjob.json",
        "a//b.png",
        "x.exe",
        ".hidden.png",
        "png",
    ],
)
def test_only_files_of_the_result_are_served(stage: Stage, path: str) -> None:
    job = stage.submit()
    stage.tick()
    assert stage.client.get(f"/v1/jobs/{job}/result/{path}").status_code == 404


def test_every_read_needs_a_key(client: TestClient, services: Container) -> None:
    for path in (
        "/v1/jobs",
        "/v1/jobs/x",
        "/v1/jobs/x/events",
        "/v1/jobs/x/logs",
        "/v1/jobs/x/result/a.png",
    ):
        assert client.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401

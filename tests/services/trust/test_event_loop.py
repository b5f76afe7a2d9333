"""What many clients can ask for at once keeps the event loop free: `/livez` answers beside it."""

from __future__ import annotations

import gc
import json
import resource
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from fastapi.routing import _IncludedRouter
from fastapi.testclient import TestClient
from hyperadam import strict_json
from starlette.types import Message

from services import patient_protocol
from services.catalog import document
from services.container import Container
from services.first_answer import prepare, settle_memory
from services.patient_protocol import PatientProtocol, allow_connections
from services.serving import ACCEPTED_AT_ONCE, ApiServer
from tests.services.application import share_application


@pytest.fixture
def descriptors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(PatientProtocol, "max_connections", PatientProtocol.max_connections)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_the_document_of_the_api_is_written_once(
    services: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    def dumps(content: Any, **options: Any) -> str:
        written.append(threading.get_ident())
        return json.dumps(content, **options)

    monkeypatch.setattr(document, "json", type("Json", (), {"dumps": staticmethod(dumps)}))
    from services.app import create_app

    client = TestClient(create_app(services))
    answers = [client.get("/openapi.json") for _ in range(5)]
    assert len({answer.content for answer in answers}) == 1
    assert len(written) == 1


@pytest.mark.parametrize(("n_items", "is_here"), [(10, True), (100_000, False)])
def test_large_json_is_read_by_a_thread(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, n_items: int, is_here: bool
) -> None:
    readers: list[str] = []
    read = strict_json.loads

    def loads(*arguments: Any, **options: Any) -> Any:
        readers.append(threading.current_thread().name)
        return read(*arguments, **options)

    monkeypatch.setattr(strict_json, "loads", loads)
    answer = client.post("/v1/jobs", json={"kind": "study", "spec": {"space": [1] * n_items}})
    assert answer.status_code == 422
    [reader] = readers
    assert ("AnyIO worker thread" not in reader) == is_here


def test_who_goes_away_before_a_request_is_whole_is_no_failure(
    services: Container, caplog: pytest.LogCaptureFixture
) -> None:
    key = services.api_keys.create("uploader", ["submit"]).key
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/optimizers/slow/versions",
        "query_string": b"",
        "headers": [
            (b"authorization", f"Bearer {key}".encode()),
            (b"content-type", b"application/octet-stream"),
        ],
        "client": ("127.0.0.1", 1),
    }
    parts: Iterator[Message] = iter(
        [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]
    )
    sent: list[Message] = []

    async def receive() -> Message:
        return next(parts)

    async def send(message: Message) -> None:
        sent.append(message)

    anyio.run(share_application(services), scope, receive, send)
    assert sent[0]["status"] == 499
    assert "request.failed" not in caplog.text


def test_a_server_takes_as_many_connections_as_the_system_gives(
    descriptors: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    monkeypatch.setattr(patient_protocol, "MOST_DESCRIPTORS", 1500)
    allow_connections()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (1500, hard)
    assert PatientProtocol.max_connections == 1500 - patient_protocol.SPARE_DESCRIPTORS


def test_the_first_request_finds_all_routes_prepared(
    services: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.app import create_app

    app = create_app(services)
    anyio.run(prepare, app)
    monkeypatch.setattr(_IncludedRouter, "_build_effective_context", None)  # no call of it works
    client = TestClient(app)
    for path in ("/livez", "/v1/jobs", "/v1/optimizers", "/v1/keys", "/v1/system", "/none"):
        assert client.get(path).status_code in {200, 401, 404}, path


def test_memory_that_stays_is_looked_at_no_more() -> None:
    before = gc.get_freeze_count()
    kept: list[list[int]] = [[] for _ in range(20_000)]
    settle_memory()
    assert gc.get_freeze_count() >= before + len(kept)


def test_a_crowd_that_connects_is_taken_a_few_at_a_time(
    services: Container, descriptors: None
) -> None:
    server = ApiServer(services, lambda: None)
    assert server.config.backlog == ACCEPTED_AT_ONCE <= 64

"""Every error, whoever raises it, is a problem document with the request's id and nothing that is
nobody's business."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from fastapi import Body, FastAPI, HTTPException, Query, Response
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from fastapi.testclient import TestClient
from hyperadam.names import InvalidName
from hyperadam.theta import ThetaError
from pydantic import BaseModel, Field
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from registry import (
    AliasNotFound,
    ArtifactNotFound,
    OptimizerNotFound,
    RegistryError,
    VersionNotFound,
)
from services import observability, problems
from services.container import Container
from services.problems.kinds import KINDS

JSON = {"Content-Type": "application/json"}
SECRET = "the password is hunter2"


class Inner(BaseModel):
    horizon: int = Field(ge=1)


class Outer(BaseModel):
    inner: Inner
    widths: list[int] = []


@pytest.fixture
def app(services: Container) -> FastAPI:
    app = FastAPI(max_body_size=1000)
    app.state.services = services
    problems.install(app)
    observability.install(app, services)
    return app


@pytest.fixture
def bare(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def raising(app: FastAPI, error: Exception) -> None:
    @app.get("/raise")
    def fail() -> None:
        raise error


def check(response: Any, status: int, name: str) -> dict[str, Any]:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["type"] == f"/problems/{name}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["request_id"] == response.headers["X-Request-Id"]
    return document


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_answered_as_it_says(
    app: FastAPI, bare: TestClient, kind: type[problems.Problem]
) -> None:
    raising(app, kind("what happened", headers={"X-More": "yes"}, state="running"))
    response = bare.get("/raise")
    document = check(response, kind.status, kind.name)
    assert (document["title"], document["detail"], document["state"]) == (
        kind.title,
        "what happened",
        "running",
    )
    assert response.headers["X-More"] == "yes"


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (OptimizerNotFound("no optimizer is named 'a'"), 404, "not-found"),
        (VersionNotFound("no version"), 404, "not-found"),
        (AliasNotFound("no alias"), 404, "not-found"),
        (ArtifactNotFound("no artifact"), 404, "not-found"),
        (RegistryError(SECRET), 503, "unavailable"),
        (OperationalError(SECRET, {}, Exception(SECRET)), 503, "unavailable"),
        (InvalidName("name must be …"), 422, "validation"),
        (ThetaError("tensor 'w' has values that are not finite"), 422, "validation"),
        (HTTPException(418, "short and stout"), 418, None),
        (HTTPException(409, "busy"), 409, "conflict"),
    ],
)
def test_exceptions_of_other_rooms(
    app: FastAPI, bare: TestClient, error: Exception, status: int, name: str | None
) -> None:
    raising(app, error)
    response = bare.get("/raise")
    assert SECRET not in response.text
    if name is None:
        assert (response.status_code, response.json()["type"]) == (status, "about:blank")
    else:
        check(response, status, name)


def test_an_unforeseen_error_tells_nothing_to_the_client_and_all_to_the_log(
    app: FastAPI, bare: TestClient
) -> None:
    raising(app, ZeroDivisionError(SECRET))
    with capture_logs() as logs:
        response = bare.get("/raise")
    check(response, 500, "internal")
    assert SECRET not in response.text
    assert "Traceback" not in response.text
    assert "ZeroDivisionError" not in response.text
    assert [(entry["event"], bool(entry.get("exc_info"))) for entry in logs] == [
        ("request.failed", True),
        ("request", False),
    ]


def test_half_an_answer_does_not_pass_for_a_whole_one(app: FastAPI, bare: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise ZeroDivisionError

    @app.get("/half")
    def half() -> StreamingResponse:
        return StreamingResponse(chunks())

    with pytest.raises(ZeroDivisionError):
        bare.get("/half")


def test_unknown_routes_and_wrong_methods(app: FastAPI, bare: TestClient) -> None:
    @app.get("/here")
    def here() -> None: ...

    check(bare.get("/nowhere"), 404, "not-found")
    wrong = bare.delete("/here")
    check(wrong, 405, "method-not-allowed")
    assert wrong.headers["Allow"] == "GET"


Send = Callable[[TestClient], Any]


@pytest.mark.parametrize(
    ("send", "fields"),
    [
        (lambda c: c.post("/v", json={"inner": {"horizon": 0}}), ["inner.horizon"]),
        (lambda c: c.post("/v", json={"inner": {}}), ["inner.horizon"]),
        (lambda c: c.post("/v", json={"inner": {"horizon": 1}, "widths": [1, "x"]}), ["widths.1"]),
        (lambda c: c.post("/v?limit=0", json={"inner": {"horizon": 1}}), ["limit"]),
        (lambda c: c.post("/v"), ["body"]),
        (lambda c: c.post("/v", json=[]), ["body"]),
        (
            lambda c: c.post("/v", content=b'{"inner": {"horizon": "\\ud800"}}', headers=JSON),
            ["inner.horizon"],
        ),
    ],
)
def test_validation_names_the_fields(
    app: FastAPI, bare: TestClient, send: Send, fields: list[str]
) -> None:
    @app.post("/v")
    def validated(
        body: Annotated[Outer, Body()], limit: Annotated[int, Query(ge=1)] = 1
    ) -> None: ...

    document = check(send(bare), 422, "validation")
    assert [error["field"] for error in document["errors"]] == fields
    assert all(error["message"] for error in document["errors"])


class Strict(BaseModel, extra="forbid"):
    kind: str
    spec: dict[str, int]


def test_an_unknown_field_is_told_which_there_are(app: FastAPI, bare: TestClient) -> None:
    @app.post("/known")
    def act(request: Strict) -> None: ...

    answer = bare.post("/known", json={"kind": "study", "preset": 1, "sepc": {}, "spec": {"a": 1}})
    messages = {error["field"]: error["message"] for error in answer.json()["errors"]}
    assert messages == {
        "preset": "unknown field preset: must not be given; there are kind, spec",
        "sepc": "unknown field sepc: did you mean spec?",
    }


def test_broken_json_says_where(app: FastAPI, bare: TestClient) -> None:
    @app.post("/v")
    def validated(body: Annotated[dict[str, int], Body()]) -> None: ...

    document = check(bare.post("/v", content=b'{"a": }', headers=JSON), 422, "validation")
    assert document["errors"][0]["message"].startswith("not valid JSON at character 6")
    check(bare.post("/v", content=b"[" * 999, headers=JSON), 400, "bad-request")
    check(bare.post("/v", content=b'{"a": "\xff"}', headers=JSON), 400, "bad-request")


def test_the_input_is_not_sent_back(app: FastAPI, bare: TestClient) -> None:
    @app.post("/v")
    def validated(body: Annotated[dict[str, int], Body()]) -> None: ...

    assert SECRET not in bare.post("/v", json={"a": SECRET}).text


def test_many_errors_are_told_in_part(app: FastAPI, bare: TestClient) -> None:
    @app.post("/v")
    def validated(body: Annotated[list[int], Body()]) -> None: ...

    assert len(bare.post("/v", json=["x"] * 200).json()["errors"]) == 50


@pytest.mark.parametrize("has_length", [True, False])
def test_bodies_over_the_limit(app: FastAPI, bare: TestClient, has_length: bool) -> None:
    @app.post("/v")
    def validated(body: Annotated[dict[str, int], Body()]) -> None: ...

    body = b'{"a": 1}' + b" " * 2000
    content = body if has_length else iter([body])
    check(bare.post("/v", content=content, headers=JSON), 413, "too-large")
    check(bare.request("GET", "/nowhere", content=body), 413, "too-large")


def test_plain_text_errors_of_the_framework_are_replaced(app: FastAPI, bare: TestClient) -> None:
    @app.get("/file")
    def file() -> FileResponse:
        return FileResponse(__file__)

    @app.get("/plain")
    def plain() -> PlainTextResponse:
        return PlainTextResponse("try later", 503, {"Retry-After": "7"})

    response = bare.get("/file", headers={"Range": "bytes=9999999-"})
    check(response, 416, "range-not-satisfiable")
    assert response.headers["Content-Range"].startswith("bytes */")
    later = bare.get("/plain")
    assert check(later, 503, "unavailable")["detail"] == "try later"
    assert later.headers["Retry-After"] == "7"


def test_json_answers_with_error_status_are_left_alone(app: FastAPI, bare: TestClient) -> None:
    @app.get("/ready")
    def ready(response: Response) -> dict[str, bool]:
        response.status_code = 503
        return {"ready": False}

    assert bare.get("/ready").json() == {"ready": False}

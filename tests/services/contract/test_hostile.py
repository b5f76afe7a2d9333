"""Requests that mean harm, to every operation there is.

Each is refused with a problem document, or harmless. The operations are walked as the OpenAPI
document lists them, so that a new one is attacked without being named here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from registry.memory import InMemoryRegistry
from services import api_document
from services.container import Container
from services.jobs.schemas import MAX_SPEC_DEPTH
from services.settings import Settings
from tests.registry.thetas import make_theta

QUICK: dict[str, Any] = {"kind": "meta-training", "spec": {"preset": "quick"}}
DEEP = 100_000
PLACES = [
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e",
    "%2fetc%2fpasswd",
    "%00",
    "a%00b",
    "%ed%a0%80",  # a lone surrogate
    "%ff%fe",
    "%0d%0aSet-Cookie:%20a=b",
    quote("'; DROP TABLE jobs; --"),
    quote("${jndi:ldap://127.0.0.1/a}"),
    "9" * 400,
    "-1",
    "a" * 5000,
]
STRINGS = [
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff\ud800",
    "\u202e",
    "x" * 100_000,
    "../../etc/passwd",
    "\r\nA: b",
]
NUMBERS = [
    "9" * 400,
    "-" + "9" * 400,
    "1e400",
    "NaN",
    "Infinity",
    "-0.0",
    str(2**63),
    str(-(2**63) - 1),
    "0.1e-999",
]
TOKENS = [
    "",
    "Bearer",
    "Bearer ",
    "Bearer ha_",
    "Bearer " + "a" * 8000,
    "Basic YTpi",
    "Bearer ha_aaaaaaaa_" + "b" * 40,
]


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(
        home=tmp_path,
        database_url=database_url,
        executor="process",
        requests_per_second=0,
        writes_per_second=0,
    )


@pytest.fixture
def registry() -> InMemoryRegistry:
    registry = InMemoryRegistry()
    registry.create_version("known", make_theta(), key="1")
    registry.set_alias("known", "champion", 1, actor="tester")
    return registry


@pytest.fixture
def path_values(client: TestClient) -> dict[str, str]:
    """Path parameters that lead to something that is there."""
    job = client.post("/v1/jobs", json=QUICK).json()["id"]
    return {
        "job_id": job,
        "name": "known",
        "ref": "champion",
        "alias": "champion",
        "key_id": "a" * 8,
        "path": "a.png",
    }


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in api_document.build_document()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def parameters(operation: dict[str, Any], place: str) -> list[str]:
    in_place = [entry for entry in operation.get("parameters", ()) if entry["in"] == place]
    return [entry["name"] for entry in in_place]


def filled(path: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def check(answer: Response, request: object) -> None:
    assert answer.status_code < 500, (request, answer.text[:500])
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", request
        assert answer.headers["X-Request-Id"]
        if answer.request.method != "HEAD":
            assert answer.json()["status"] == answer.status_code


@pytest.mark.slow
def test_paths_that_lead_elsewhere(client: TestClient, path_values: dict[str, str]) -> None:
    for method, path, operation in operations():
        for name, place in product(parameters(operation, "path"), PLACES):
            answer = client.request(method, filled(path, {**path_values, name: place}))
            check(answer, (method, path, place[:50]))


@pytest.mark.slow
def test_queries_that_say_the_impossible(client: TestClient, path_values: dict[str, str]) -> None:
    for method, path, operation in operations():
        for name, value in product(parameters(operation, "query"), PLACES):
            answer = client.request(method, f"{filled(path, path_values)}?{name}={value}")
            check(answer, (method, path, name, value[:50]))


@pytest.mark.slow
def test_headers_that_say_the_impossible(client: TestClient, path_values: dict[str, str]) -> None:
    values = [
        "\x7f",
        "é",
        '"',
        "W/",
        "bytes=" + "9" * 400 + "-",
        "bytes=-" + "9" * 400,
        "bytes=5-1,,",
        "x" * 8000,
    ]
    for method, path, operation in operations():
        for name, value in product(parameters(operation, "header"), values):
            answer = client.request(
                method, filled(path, path_values), headers={name: value.encode()}
            )
            check(answer, (method, path, name, value[:50]))


def bodies() -> Iterator[bytes]:
    yield from (
        b"",
        b"null",
        b"[]",
        b"0",
        b'"',
        b"{",
        b"\xff\xfe\x00",
        b"\x00" * 100,
        b'{"a":1}{"a":2}',
        b"{'a': 1}",
    )
    yield b"[" * DEEP
    yield b'{"spec":' * DEEP
    yield b'{"spec":' * 500 + b"1" + b"}" * 500
    for text in STRINGS:
        yield from bodies_with(json.dumps(text))
    for number in NUMBERS:
        spec = f'{{"preset": "quick", "seed": {number}}}'
        yield f'{{"version": {number}, "kind": {number}, "labels": {number}}}'.encode()
        yield f'{{"kind": "meta-training", "spec": {spec}}}'.encode()


def bodies_with(string: str) -> Iterator[bytes]:
    """Submissions with this string, in JSON, at every place for one."""
    start = '{"kind": "meta-training"'
    for member in ("kind", "name", "reason", "preset"):
        yield f'{start}, "{member}": {string}}}'.encode()
    yield f'{start}, "labels": {{{string}: {string}}}, "spec": {{{string}: {string}}}}}'.encode()
    yield f'{start}, "labels": {{"a": {string}}}, "spec": {{"preset": {string}}}}}'.encode()


@pytest.mark.slow
def test_bodies_that_are_none(client: TestClient, path_values: dict[str, str]) -> None:
    for method, path, operation in operations():
        if "requestBody" in operation:
            for body, kind in product(bodies(), ("application/json", "application/octet-stream")):
                answer = client.request(
                    method, filled(path, path_values), content=body, headers={"Content-Type": kind}
                )
                check(answer, (method, path, body[:100]))


def test_a_spec_of_too_many_levels_is_named(client: TestClient) -> None:
    spec: dict[str, Any] = {}
    for _ in range(MAX_SPEC_DEPTH):
        spec = {"a": [spec]}
    answer = client.post("/v1/jobs", json={"kind": "meta-training", "spec": spec})
    assert answer.json()["errors"] == [
        {"field": "spec", "message": f"nested deeper than {MAX_SPEC_DEPTH} levels"}
    ]


def test_bodies_that_are_too_large(
    client: TestClient, settings: Settings, path_values: dict[str, str]
) -> None:
    for method, path, operation in operations():
        if "application/json" in operation.get("requestBody", {}).get("content", {}):
            body = b'{"kind": "' + b"x" * settings.max_body_bytes + b'"}'
            answer = client.request(
                method,
                filled(path, path_values),
                content=body,
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code == 413, (method, path)
            check(answer, (method, path))


@pytest.mark.slow
def test_keys_that_are_none(client: TestClient, path_values: dict[str, str]) -> None:
    for method, path, operation in operations():
        for token in TOKENS if operation.get("security") else ():
            answer = client.request(
                method, filled(path, path_values), headers={"Authorization": token}
            )
            assert answer.status_code == 401, (method, path, token[:50])
            check(answer, (method, path))


def malformed_thetas() -> Iterator[bytes]:
    good = make_theta().to_bytes()
    length = int.from_bytes(good[:8], "little")
    yield from (
        b"",
        good[:8],
        good[: length // 2],
        good[:-1],
        good + b"\x00",
        good[8:],
        b"PK\x03\x04" + good,
    )
    yield from ((2**64 - 1).to_bytes(8, "little") + good[8:], (0).to_bytes(8, "little") + good[8:])
    yield good[:8] + b"{" * length + good[8 + length :]
    yield (DEEP).to_bytes(8, "little") + b"[" * DEEP
    for hostile in (
        b'{"__metadata__": 1}',
        b'{"a": {"dtype": "F32", "shape": [9223372036854775807, 2], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [18446744073709551615, 4]}}',
        b'{"../../evil": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}',
    ):
        yield len(hostile).to_bytes(8, "little") + hostile + b"\x00" * 4


def test_files_of_theta_that_are_none(client: TestClient) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    for data in malformed_thetas():
        answer = client.post("/v1/optimizers/evil/versions", content=data, headers=headers)
        assert answer.status_code == 422, data[:60]
        check(answer, data[:60])
    assert client.get("/v1/optimizers/evil").status_code == 404


def test_nothing_was_written_but_the_job_store(
    client: TestClient, services: Container, tmp_path: Path
) -> None:
    before = {path.name for path in tmp_path.parent.iterdir()}
    for place in PLACES:
        client.post(f"/v1/optimizers/{place}/versions", content=make_theta().to_bytes())
        client.put(f"/v1/optimizers/known/aliases/{place}", json={"version": 1})
        client.get(f"/v1/jobs/{place}/result/{place}")
    assert {path.name for path in tmp_path.parent.iterdir()} == before
    assert {path.name.partition("-")[0] for path in tmp_path.rglob("*")} <= {"jobs.db"}

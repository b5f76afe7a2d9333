"""No call without a key that may make it: the guard, and that every route has one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from services.auth.dependencies import get_required_scope
from services.container import Container
from tests.services.application import share_application
from tests.services.support import list_error_fields

PUBLIC = {
    "/livez",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/docs/{name:path}",
    "/",
    "/dashboard/{name:path}",
    "/guide",
    "/guide/{name:path}",
    "/v1/sign-in",
    "/v1/sign-in/callback",
}
"""What anybody may call: it tells nothing about jobs, optimizers or keys beyond counts."""

WRITES = {"POST", "PUT", "PATCH", "DELETE"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: the guard stands before it; keys on Postgres are in `test_keys.py`."""
    return sqlite_url


def scopes_of(dependant: Dependant | None) -> Iterator[str]:
    """The scopes that a route demands, in any depth of its dependencies."""
    for dependency in dependant.dependencies if dependant is not None else ():
        scope = get_required_scope(dependency.call)
        if scope is not None:
            yield scope
        yield from scopes_of(dependency)


def routes(app: FastAPI) -> Iterator[tuple[str, set[str], list[str]]]:
    """Path, methods and scopes of each."""
    for route in iter_route_contexts(app.routes):
        scopes = list(scopes_of(getattr(route, "dependant", None)))
        yield route.path or "", set(route.methods or ()), scopes


@pytest.fixture
def app(services: Container) -> FastAPI:
    return share_application(services)


def test_every_route_declares_one_scope_or_is_public(app: FastAPI) -> None:
    all_routes = list(routes(app))
    assert len(all_routes) > 25
    unguarded = {path for path, _, scopes in all_routes if not scopes}
    assert unguarded == PUBLIC
    assert [path for path, _, scopes in all_routes if len(set(scopes)) > 1] == []


def test_nothing_that_writes_is_open_to_readers(app: FastAPI) -> None:
    """But to sign in and out, which changes nothing but who asks."""
    weak = {
        path for path, methods, scopes in routes(app) if methods & WRITES and scopes == ["read"]
    }
    assert weak == {"/v1/session"}


def test_every_post_takes_an_idempotency_key(app: FastAPI) -> None:
    posts = {
        path: operations["post"]
        for path, operations in app.openapi()["paths"].items()
        if "post" in operations
    }
    assert len(posts) >= 8
    for path, operation in posts.items():
        parameters = operation["parameters"]
        headers = [entry["name"] for entry in parameters if entry["in"] == "header"]
        assert "Idempotency-Key" in headers, path
        assert {"200"} < set(operation["responses"]), path


def test_aliases_and_keys_are_for_admins(app: FastAPI) -> None:
    for path, methods, scopes in routes(app):
        if methods & WRITES and ("/aliases" in path or "/keys" in path):
            assert scopes == ["admin"], path


@pytest.fixture
def anonymous(services: Container) -> Iterator[TestClient]:
    with TestClient(share_application(services)) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_without_a_key(anonymous: TestClient) -> None:
    answer = anonymous.get("/v1/jobs")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="hyperadam"'
    assert answer.json()["type"] == "/problems/unauthorized"


@pytest.mark.parametrize(
    "header", ["Bearer ha_aaaaaaaa_" + "b" * 32, "Bearer x", "Bearer \xff\xfe"]
)
def test_with_an_unknown_key(anonymous: TestClient, header: str) -> None:
    answer = anonymous.get("/v1/jobs", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("header", ["", "Bearer", "Basic YTpi", "Bearer  "])
def test_with_something_that_is_no_bearer_token(anonymous: TestClient, header: str) -> None:
    assert anonymous.get("/v1/jobs", headers={"Authorization": header}).status_code == 401


def test_a_key_in_the_query_is_no_key(anonymous: TestClient, services: Container) -> None:
    key = services.api_keys.create("alice", ["admin"]).key
    assert anonymous.get("/v1/jobs", params={"key": key, "access_token": key}).status_code == 401


def test_scopes(anonymous: TestClient, services: Container) -> None:
    reader = bearer(services.api_keys.create("reader", ["read"]).key)
    submitter = bearer(services.api_keys.create("submitter", ["submit"]).key)
    assert anonymous.get("/v1/jobs", headers=reader).status_code == 200
    assert anonymous.get("/v1/jobs", headers=submitter).status_code == 200
    refused = anonymous.post("/v1/jobs", json={}, headers=reader)
    assert refused.status_code == 403
    assert "'submit'" in refused.json()["detail"]
    assert 'error="insufficient_scope", scope="submit"' in refused.headers["WWW-Authenticate"]
    assert anonymous.post("/v1/jobs", json={}, headers=submitter).status_code == 422
    assert anonymous.get("/v1/keys", headers=submitter).status_code == 403


def test_the_guard_comes_before_the_body(anonymous: TestClient) -> None:
    assert anonymous.post("/v1/jobs", json={"kind": "nonsense"}).status_code == 401


def test_the_security_scheme_is_documented(anonymous: TestClient) -> None:
    schema = anonymous.get("/openapi.json").json()
    assert schema["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            security = operation.get("security", [{}])
            assert ({} in security) == (path in PUBLIC), (method, path)


def test_keys_over_rest(client: TestClient) -> None:
    answer = client.post("/v1/keys", json={"name": "ci", "scopes": ["submit"]})
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    key = answer.json()["key"]
    key_id = answer.json()["id"]
    holder = client.get("/v1/keys/self", headers=bearer(key)).json()
    assert holder == {
        "id": key_id,
        "name": "ci",
        "full_name": None,
        "scopes": ["read", "submit"],
        "project": "default",
        "sees_all": False,
    }
    listed = client.get("/v1/keys")
    assert [item["name"] for item in listed.json()["items"]] == ["tester", "ci"]
    assert key not in listed.text
    assert "hash" not in listed.text
    assert client.delete(f"/v1/keys/{key_id}").status_code == 204
    assert client.get("/v1/keys/self", headers=bearer(key)).status_code == 401
    assert client.delete("/v1/keys/unknown1").status_code == 404


def test_a_repeated_request_makes_one_key_and_shows_it_once(client: TestClient) -> None:
    headers = {"Idempotency-Key": "one"}
    body = {"name": "ci", "scopes": ["read", "submit"]}
    first, again = (client.post("/v1/keys", json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {**first.json(), "key": None}
    assert [item["name"] for item in client.get("/v1/keys").json()["items"]] == ["tester", "ci"]
    other = client.post("/v1/keys", json={**body, "name": "other"}, headers=headers)
    assert other.json()["type"] == "/problems/idempotency-mismatch"


def test_a_key_over_rest_may_expire(client: TestClient) -> None:
    moment = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    answer = client.post("/v1/keys", json={"name": "guest", "expires_at": moment}).json()
    assert datetime.fromisoformat(answer["expires_at"]) == datetime.fromisoformat(moment)
    late = client.post("/v1/keys", json={"name": "late", "expires_at": "2020-01-01T00:00:00Z"})
    assert list_error_fields(late) == ["expires_at"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "a\u0000"}, "name"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "scopes": ["root"]}, "scopes.0"),
        ({"name": "a", "colour": 1}, "colour"),
    ],
)
def test_bad_key_requests_name_the_field(
    client: TestClient, body: dict[str, object], field: str
) -> None:
    answer = client.post("/v1/keys", json=body)
    assert answer.status_code == 422
    assert list_error_fields(answer) == [field]

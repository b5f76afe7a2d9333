"""Requests nobody thought of, made from the OpenAPI document: no answer may contradict it.

Right and wrong requests to every operation, against the real application in process. Jobs are rows
that nobody starts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, strategies
from hypothesis.internal.cache import LRUCache
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from registry.memory import InMemoryRegistry
from services.container import Container
from services.database.base import Database
from services.settings import Settings
from tests.registry.thetas import make_theta
from tests.services.application import share_application

pytestmark = pytest.mark.slow

N_EXAMPLES = 8
DOCUMENT = json.loads((Path(__file__).resolve().parents[3] / "docs/openapi.json").read_text())
OPERATIONS = [
    (method.upper(), path)
    for path, methods in DOCUMENT["paths"].items()
    for method in methods
    if path != "/readyz"  # its 503 is an answer, not a failure
]


@dataclass(frozen=True)
class Fuzzed:
    """The application, a key for it, and path parameters that lead to something that is there."""

    app: FastAPI
    headers: dict[str, str]
    path_values: dict[str, str]


@pytest.fixture(autouse=True)
def same_examples_in_every_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis draws from the constants of all modules that a session has imported: what is drawn
    here would depend on the tests that ran before."""
    monkeypatch.setattr(providers, "_get_local_constants", Constants)
    monkeypatch.setattr(providers, "CONSTANTS_CACHE", LRUCache(1024))


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone, for time; what databases differ in is in `test_hostile.py`, on both."""
    return sqlite_url


@pytest.fixture
def fuzzed(database: Database, settings: Settings, registry: InMemoryRegistry) -> Fuzzed:
    unlimited = settings.model_copy(update={"requests_per_second": 0.0, "writes_per_second": 0.0})
    services = Container(settings=unlimited, database=database, registry=registry)
    headers = {"Authorization": f"Bearer {services.api_keys.create('fuzzer', ['admin']).key}"}
    app = share_application(services)
    registry.create_version("known", make_theta(), key="1")
    registry.set_alias("known", "champion", 1, actor="fuzzer")
    with TestClient(app, headers=headers) as client:
        request = {"kind": "meta-training", "spec": {"preset": "quick"}}
        job = client.post("/v1/jobs", json=request).json()["id"]
    path_values = {"job_id": job, "name": "known", "ref": "champion", "alias": "champion"}
    return Fuzzed(app, headers, path_values)


@cache
def load_operations(app: FastAPI) -> Any:
    """What the application's own document says: made and read once, as the application is."""
    import schemathesis

    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=map(" ".join, OPERATIONS))
def test_answers_are_as_documented(method: str, path: str, fuzzed: Fuzzed) -> None:
    # takes a second, which a session that only collects this file is spared
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        negative_data_rejection,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        negative_data_rejection,
    ]
    operation = load_operations(fuzzed.app)[path][method]
    values = fuzzed.path_values.items()
    values_of_path = {name: value for name, value in values if f"{{{name}}}" in path}
    kinds = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]
    if values_of_path:
        kinds.append(operation.as_strategy(path_parameters=values_of_path))

    @hypothesis.settings(
        max_examples=N_EXAMPLES * len(kinds),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategies.one_of(kinds))
    def no_answer_contradicts(case: Any) -> None:
        case.call_and_validate(headers=fuzzed.headers, checks=checks)

    no_answer_contradicts()

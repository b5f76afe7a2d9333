"""`/openapi.json` of the real application tells of its errors."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.api_document import build_document
from services.problems.document import MEDIA_TYPE
from services.problems.kinds import KINDS


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """What the service serves, as `test_document.py` says."""
    return build_document()


def operations(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, op)
        for path, methods in schema["paths"].items()
        for method, op in methods.items()
    ]


def test_every_operation_may_answer_with_a_problem(schema: dict[str, Any]) -> None:
    assert len(operations(schema)) > 25
    for path, method, operation in operations(schema):
        content = operation["responses"]["default"]["content"]
        assert content == {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}, (
            method,
            path,
        )


def test_every_answer_with_an_error_status_is_a_problem(schema: dict[str, Any]) -> None:
    """But for `/readyz`, whose 503 names what is down."""
    problem = re.compile(r"#/components/responses/[A-Z][A-Za-z]+")
    for path, method, operation in operations(schema):
        for status, answer in operation["responses"].items():
            if status >= "400" and status != "default" and (path, status) != ("/readyz", "503"):
                assert problem.fullmatch(answer["$ref"]), (method, path, status)
    for answer in schema["components"]["responses"].values():
        assert answer["content"] == {
            MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}
        }


def test_an_operation_lists_the_problems_that_belong_to_what_it_takes(
    schema: dict[str, Any],
) -> None:
    def listed(method: str, path: str) -> set[int]:
        answers = schema["paths"][path][method]["responses"]
        return {int(status) for status in answers if status.isdigit() and int(status) >= 400}

    assert listed("get", "/metrics") == {401, 403, 422, 429, 500, 503}
    assert listed("get", "/livez") == {422, 500}
    assert listed("get", "/v1/keys") == {401, 403, 422, 429, 500, 503}
    assert listed("post", "/v1/jobs") == {400, 401, 403, 409, 413, 422, 429, 500, 503}
    assert listed("post", "/v1/jobs/{job_id}/cancel") >= {401, 403, 404, 409}
    assert 416 in listed("get", "/v1/optimizers/{name}/versions/{ref}/weights")


def test_the_schema_fits_a_real_problem(client: TestClient, schema: dict[str, Any]) -> None:
    described = schema["components"]["schemas"]["Problem"]
    document = client.post("/v1/jobs", json={}).json()
    assert set(described["required"]) <= set(document) <= set(described["properties"])
    assert document["type"] in described["properties"]["type"]["examples"]


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            here = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return here + [found for value in node.values() for found in references(value)]
        return (
            [found for value in node for found in references(value)]
            if isinstance(node, list)
            else []
        )

    there = {
        f"#/components/{kind}/{name}"
        for kind, named in schema["components"].items()
        for name in named
    }
    assert set(references(schema)) <= there


def test_operation_ids_are_unique(schema: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(schema)]
    assert len(set(ids)) == len(ids)


def test_kinds_differ_in_name() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)

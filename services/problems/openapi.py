"""Problem documents in `/openapi.json`: which ones an operation may answer with, told from what it
takes.

Whatever is not listed for an operation is its default answer, a problem too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI

from services.problems.document import MEDIA_TYPE
from services.problems.kinds import BY_STATUS, KINDS

_TEXT: Final = {"type": "string"}

SCHEMA: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "RFC 9457 problem document.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": _TEXT | {"examples": sorted({f"/problems/{kind.name}" for kind in KINDS})},
        "title": _TEXT,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": _TEXT,
        "request_id": {
            "type": ["string", "null"],
            "description": "The same as the header X-Request-Id.",
        },
        "errors": {
            "type": "array",
            "description": "The fields that are wrong.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": _TEXT | {"examples": ["spec.unroll.horizon"]},
                    "message": _TEXT,
                },
            },
        },
        "state": _TEXT | {"description": "Of a conflict about a job: its present state."},
    },
}

_CONTENT: Final[dict[str, Any]] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_DEFAULT: Final[dict[str, Any]] = {
    "description": "A problem: " + ", ".join(f"{kind.status} {kind.name}" for kind in KINDS),
    "content": _CONTENT,
}


def _describe_status(status: int) -> str:
    """What answers with this status may mean."""
    kinds = [kind for kind in KINDS if kind.status == status]
    return ", or ".join(f"{kind.title} (`{kind.name}`)" for kind in kinds)


RESPONSES: Final[dict[str, Any]] = {
    kind.__name__: {"description": _describe_status(status), "content": _CONTENT}
    for status, kind in BY_STATUS.items()
}
"""For `components.responses`, one a status."""

_READS: Final = frozenset({"get", "head"})


def install(app: FastAPI) -> None:
    """Make a problem the default answer of every operation (so the framework adds no 422 of its
    own), and list them."""
    app.router.responses = {"default": _DEFAULT, **app.router.responses}
    original = app.openapi

    def openapi() -> dict[str, Any]:
        schema = original()
        components = schema.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = SCHEMA
        components["responses"] = RESPONSES
        for operations in schema["paths"].values():
            for method, operation in operations.items():
                _list_problems(method, operation)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def _list_problems(method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    for status in sorted(list_statuses(method, operation)):
        kind = BY_STATUS[status]
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{kind.__name__}"})


def list_statuses(method: str, operation: Mapping[str, Any]) -> set[int]:
    """The statuses of the problems that an operation may answer with, as its document shows."""
    parameters = {(each["in"], each["name"]) for each in operation.get("parameters", ())}
    has_body = "requestBody" in operation
    statuses = {500}
    if operation.get("security"):
        statuses |= {401, 403, 429, 503}
    if parameters or has_body:
        statuses |= {422}
    if has_body:
        statuses |= {400, 413}
    if any(place == "path" for place, _ in parameters):
        statuses |= {404}
    if method not in _READS:
        statuses |= {409}
    if ("header", "Range") in parameters:
        statuses |= {416}
    return statuses

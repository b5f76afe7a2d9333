"""Problem documents in `/openapi.json`: every operation answers with one by default."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI

from services.problems.document import MEDIA_TYPE
from services.problems.kinds import KINDS

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
        "request_id": {"type": ["string", "null"], "description": "The same as the header X-Request-Id."},
        "errors": {
            "type": "array",
            "description": "The fields that are wrong.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": _TEXT | {"examples": ["spec.unroll.horizon"]}, "message": _TEXT},
            },
        },
        "state": _TEXT | {"description": "Of a conflict about a job: its present state."},
    },
}

_DEFAULT: Final[dict[str, Any]] = {
    "description": "A problem: " + ", ".join(f"{kind.status} {kind.name}" for kind in KINDS),
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def install(app: FastAPI) -> None:
    """Make a problem the default answer of every operation (so the framework adds no 422 of its own)."""
    app.router.responses = {"default": _DEFAULT, **app.router.responses}
    original = app.openapi

    def openapi() -> dict[str, Any]:
        schema = original()
        schema.setdefault("components", {}).setdefault("schemas", {})["Problem"] = SCHEMA
        return schema

    app.openapi = openapi  # type: ignore[method-assign]

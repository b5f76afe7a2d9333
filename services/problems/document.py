"""The problem document and the answer that carries it: the document, or a page for a browser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Scope

from services.problems.kinds import Problem
from services.problems.pages import find_plan, make_page

MEDIA_TYPE: Final = "application/problem+json"


def find_request_id(scope: Scope) -> str | None:
    """The id that `services.observability` gave to the request; None in an application without
    it."""
    value = scope.get("state", {}).get("request_id")
    return value if isinstance(value, str) else None


def make_document(problem: Problem, request_id: str | None) -> dict[str, Any]:
    """The members of the problem document, in the order in which people read them."""
    document: dict[str, Any] = {
        "type": f"/problems/{problem.name}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "request_id": request_id,
    }
    if problem.errors:
        document["errors"] = [
            {"field": error.field, "message": error.message} for error in problem.errors
        ]
    return document | problem.extra


def respond(problem: Problem, scope: Scope) -> Response:
    """The answer to the request of this scope."""
    request_id = find_request_id(scope)
    plan = find_plan(scope)
    if plan is not None:
        return make_page(problem, plan, request_id, scope)
    document = make_document(problem, request_id)
    return encode_document(document, problem.status, problem.headers)


def encode_document(
    document: Mapping[str, Any], status: int, headers: Mapping[str, str]
) -> Response:
    """ASCII JSON, because a document may quote a text that has no UTF-8 form (a lone surrogate from
    a JSON escape)."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    return Response(
        text.encode("ascii"),
        status_code=status,
        headers={**headers, "Cache-Control": "no-store"},
        media_type=MEDIA_TYPE,
    )

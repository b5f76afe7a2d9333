"""From any exception to a problem document. Each family of exceptions is turned into problems here
and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from hyperadam.names import InvalidName
from hyperadam.theta import ThetaError
from pydantic_core import ErrorDetails
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Scope

from meta_trainer.specs.problems import plain_message
from registry import (
    AliasMoved,
    AliasNotFound,
    AliasProtected,
    ArtifactNotFound,
    OptimizerNotFound,
    RegistryError,
    RunNotFound,
    VersionArchived,
    VersionInUse,
    VersionNotFound,
)
from services.problems.document import encode_document, find_request_id, respond
from services.problems.kinds import (
    BY_STATUS,
    MAX_FIELD_ERRORS,
    Conflict,
    FieldError,
    Internal,
    NotFound,
    Problem,
    Unavailable,
    invalid,
    invalid_fields,
)

_MAX_SEGMENT_CHARS: Final = 100
_PARTS: Final = frozenset({"body", "query", "path", "header", "cookie"})
_NOT_FOUND: Final = (
    OptimizerNotFound,
    VersionNotFound,
    AliasNotFound,
    RunNotFound,
    ArtifactNotFound,
)
_IN_THE_WAY: Final = (AliasProtected, AliasMoved, VersionInUse, VersionArchived)

_NEWER_PHRASES: Final = frozenset({"Content Too Large", "Range Not Satisfiable"})
"""The framework's names of 413 and 416 (RFC 9110), which differ from the standard library's."""

GONE: Final = 499
"""The status of answers that nobody is left to read, in logs and metrics."""

log = structlog.get_logger(__name__)


def install(app: FastAPI) -> None:
    """Register the handlers; the most specific class wins."""
    for kind, convert in {
        Problem: lambda error: error,
        RegistryError: _from_registry,
        InvalidName: lambda error: invalid("name", str(error)),
        ThetaError: lambda error: invalid("body", str(error)),
        OperationalError: _from_database,
        PoolTimeout: _from_database,
    }.items():
        app.add_exception_handler(kind, _Handler(convert))
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_exception_handler(Exception, _answer_unexpected)


class _Handler:
    """An exception handler of the framework's form around a function from exception to problem."""

    def __init__(self, convert: Any) -> None:
        self._convert = convert

    async def __call__(self, request: Request, error: Exception) -> Response:
        problem = cast(Problem, self._convert(error))
        return respond(problem, request.scope)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    """What a request has that its model does not take."""
    assert isinstance(error, RequestValidationError)
    known = _list_body_fields(request.scope)
    details = error.errors()[:MAX_FIELD_ERRORS]
    problem = invalid_fields([_make_field_error(item, known) for item in details])
    return respond(problem, request.scope)


def _list_body_fields(scope: Scope) -> list[str]:
    """Names that the body of the requested route may have, if it is one object."""
    body = getattr(scope.get("route"), "body_field", None)
    model = None if body is None else body.field_info.annotation
    return list(getattr(model, "model_fields", ()))


async def _answer_nobody(_request: Request, _error: Exception) -> Response:
    """The client went away before its request was whole: that is no failure of ours, and a
    traceback for each of them would keep the event loop busy."""
    return Response(status_code=GONE, media_type="application/problem+json")


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    """What the framework raises by itself: unknown routes, wrong methods, unreadable or too large
    bodies."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    return respond_with_status(request.scope, error.status_code, str(error.detail), headers)


def respond_with_status(
    scope: Scope, status: int, detail: str, headers: Mapping[str, str]
) -> Response:
    """A problem of the kind of its status; a status without a kind of its own gets the type
    `about:blank`."""
    phrase = HTTPStatus(status).phrase
    kind = BY_STATUS.get(status)
    if kind is not None:
        says_nothing = detail in {"", phrase, *_NEWER_PHRASES}
        return respond(kind(kind.title if says_nothing else detail, headers=headers), scope)
    document = {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "detail": detail or phrase,
        "request_id": find_request_id(scope),
    }
    return encode_document(document, status, headers)


async def _answer_unexpected(request: Request, _error: Exception) -> Response:
    """The last resort. The exception itself goes on to the server's log; the answer tells nothing
    of it."""
    problem = Internal("The server failed; its log has the cause under this request id.")
    return respond(problem, request.scope)


def _from_registry(error: Exception) -> Problem:
    if isinstance(error, _NOT_FOUND):
        return NotFound(str(error))
    if isinstance(error, _IN_THE_WAY):
        return Conflict(str(error))
    log.error("registry.failed", error=str(error), exc_info=error)
    return Unavailable("The registry cannot answer now.", headers={"Retry-After": "1"})


def _from_database(error: Exception) -> Problem:
    log.error("database.failed", exc_info=error)
    return Unavailable("The database cannot answer now.", headers={"Retry-After": "1"})


def _make_field_error(item: Mapping[str, Any], known: Sequence[str]) -> FieldError:
    """Pydantic's account of one error, without the input, which may be large or secret.

    Args:
        known: names of the body's own fields.
    """
    if item["type"] == "json_invalid":
        place = item["loc"][-1]
        return FieldError("body", f"not valid JSON at character {place}: {item['ctx']['error']}")
    details = cast(ErrorDetails, {name: item[name] for name in item if name != "input"})
    is_of_the_body = len(item["loc"]) == 2 and item["loc"][0] == "body"
    fields = known if is_of_the_body else ()
    return FieldError(format_path(item["loc"]), plain_message(details, fields))


def format_path(location: Sequence[int | str]) -> str:
    """`("body", "spec", "hidden", 0)` → `spec.hidden.0`; the place itself (`body`) when there is
    nothing below it."""
    is_below_a_part = len(location) > 1 and location[0] in _PARTS
    keys = location[1:] if is_below_a_part else location
    return ".".join(str(key)[:_MAX_SEGMENT_CHARS] for key in keys)

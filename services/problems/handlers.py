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
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from registry import (
    AliasMoved,
    AliasNotFound,
    AliasProtected,
    ArtifactNotFound,
    OptimizerNotFound,
    RegistryError,
    RunNotFound,
    VersionNotFound,
)
from services.problems.document import encoded, request_id_of, respond
from services.problems.kinds import (
    BY_STATUS,
    Conflict,
    FieldError,
    Internal,
    NotFound,
    Problem,
    Unavailable,
    Validation,
    invalid,
)

MAX_FIELD_ERRORS: Final = 50
_MAX_SEGMENT_CHARS: Final = 100
_PARTS: Final = frozenset({"body", "query", "path", "header", "cookie"})
_NOT_FOUND: Final = (
    OptimizerNotFound,
    VersionNotFound,
    AliasNotFound,
    RunNotFound,
    ArtifactNotFound,
)

_NEWER_PHRASES: Final = frozenset({"Content Too Large", "Range Not Satisfiable"})
"""The framework's names of 413 and 416 (RFC 9110), which differ from the standard library's."""

log = structlog.get_logger(__name__)


def install(app: FastAPI) -> None:
    """Register the handlers; the most specific class wins."""
    for kind, convert in {
        Problem: lambda error: error,
        RequestValidationError: _of_validation,
        RegistryError: _of_registry,
        InvalidName: lambda error: invalid("name", str(error)),
        ThetaError: lambda error: invalid("body", str(error)),
        OperationalError: _of_database,
        PoolTimeout: _of_database,
    }.items():
        app.add_exception_handler(kind, _Handler(convert))
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(Exception, _unexpected)


class _Handler:
    """An exception handler of the framework's form around a function from exception to problem."""

    def __init__(self, convert: Any) -> None:
        self._convert = convert

    async def __call__(self, request: Request, error: Exception) -> Response:
        return respond(cast(Problem, self._convert(error)), request.scope)


async def _http_exception(request: Request, error: Exception) -> Response:
    """What the framework raises by itself: unknown routes, wrong methods, unreadable or too large
    bodies."""
    assert isinstance(error, HTTPException)
    return of_status(request.scope, error.status_code, str(error.detail), dict(error.headers or {}))


def of_status(
    scope: Mapping[str, Any], status: int, detail: str, headers: Mapping[str, str]
) -> Response:
    """A problem of the kind of its status; a status without a kind of its own gets the type
    `about:blank`."""
    phrase = HTTPStatus(status).phrase
    if kind := BY_STATUS.get(status):
        detail = kind.title if detail in {"", phrase, *_NEWER_PHRASES} else detail
        return respond(kind(detail, headers=headers), cast(Any, scope))
    document = {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "detail": detail or phrase,
    }
    return encoded(document | {"request_id": request_id_of(cast(Any, scope))}, status, headers)


async def _unexpected(request: Request, _error: Exception) -> Response:
    """The last resort. The exception itself goes on to the server's log; the answer tells nothing
    of it."""
    return respond(
        Internal("The server failed; its log has the cause under this request id."), request.scope
    )


def _of_registry(error: Exception) -> Problem:
    if isinstance(error, _NOT_FOUND):
        return NotFound(str(error))
    if isinstance(error, (AliasProtected, AliasMoved)):
        return Conflict(str(error))
    log.error("registry.failed", error=str(error), exc_info=error)
    return Unavailable("The registry cannot answer now.", headers={"Retry-After": "1"})


def _of_database(error: Exception) -> Problem:
    log.error("database.failed", exc_info=error)
    return Unavailable("The database cannot answer now.", headers={"Retry-After": "1"})


def _of_validation(error: Exception) -> Problem:
    assert isinstance(error, RequestValidationError)
    errors = [_field_error(item) for item in error.errors()[:MAX_FIELD_ERRORS]]
    return Validation("; ".join(f"{e.field}: {e.message}" for e in errors[:3]), errors=errors)


def _field_error(item: Mapping[str, Any]) -> FieldError:
    """Pydantic's account of one error, without the input, which may be large or secret."""
    if item["type"] == "json_invalid":
        return FieldError(
            "body", f"not valid JSON at character {item['loc'][-1]}: {item['ctx']['error']}"
        )
    message = str(item["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return FieldError(field_path(item["loc"]), message)


def field_path(location: Sequence[int | str]) -> str:
    """`("body", "spec", "hidden", 0)` → `spec.hidden.0`; the place itself (`body`) when there is
    nothing below it."""
    below = location[1:] if len(location) > 1 and location[0] in _PARTS else location
    return ".".join(str(part)[:_MAX_SEGMENT_CHARS] for part in below)

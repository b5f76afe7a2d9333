"""Errors as RFC 9457 problem documents: raise a `Problem` anywhere, the client receives
`application/problem+json`.

| file | idea |
|---|---|
| `kinds.py` | the exceptions: one class for each problem name of docs/rest.md |
| `document.py` | the JSON document, and the answer that carries it |
| `pages.py` | a page in its place, for routes that people come to by a link |
| `handlers.py` | from any exception to a `Problem`: ours and the libraries', known or not |
| `guard.py` | the outermost layer: what the framework answers by itself becomes one, too |
| `openapi.py` | the same, told in `/openapi.json` |
"""

from __future__ import annotations

from fastapi import FastAPI

from services.asgi import wrap_outermost
from services.problems import handlers, openapi
from services.problems.guard import ProblemGuard
from services.problems.kinds import (
    BadRequest,
    Conflict,
    FieldError,
    Forbidden,
    IdempotencyMismatch,
    Internal,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    Problem,
    QuotaExceeded,
    RangeNotSatisfiable,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
    Validation,
    invalid,
    invalid_fields,
)
from services.problems.pages import PagePlan, answer_people

__all__ = [
    "BadRequest",
    "Conflict",
    "FieldError",
    "Forbidden",
    "IdempotencyMismatch",
    "Internal",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "PagePlan",
    "Problem",
    "QuotaExceeded",
    "RangeNotSatisfiable",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnsupportedMediaType",
    "Validation",
    "answer_people",
    "install",
    "invalid",
    "invalid_fields",
]


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document. To be called before it serves its
    first request."""
    handlers.install(app)
    openapi.install(app)
    wrap_outermost(app, ProblemGuard)

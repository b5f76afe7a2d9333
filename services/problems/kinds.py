"""The problems that the service tells of, one exception each; names and statuses are those of
docs/rest.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final


@dataclass(frozen=True)
class FieldError:
    """One field that is wrong: its dotted path (`spec.unroll.horizon`) and what is wrong with
    it."""

    field: str
    message: str


class Problem(Exception):
    """An answer with an error status; raise one of the subclasses.

    Args:
        detail: what happened this time, for people; shown to the client.
        errors: the fields that are wrong.
        headers: added to the answer.
        extra: further members of the document (`state="running"`).
    """

    status: ClassVar[int] = 500
    name: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extra = extra


class BadRequest(Problem):
    """Not HTTP or JSON that can be understood at all."""

    status, name, title = 400, "bad-request", "The request cannot be understood"


class Unauthorized(Problem):
    status, name, title = 401, "unauthorized", "A valid API key is needed"


class Forbidden(Problem):
    status, name, title = 403, "forbidden", "The API key may not do this"


class NotFound(Problem):
    status, name, title = 404, "not-found", "There is no such thing"


class MethodNotAllowed(Problem):
    status, name, title = 405, "method-not-allowed", "This method is not offered here"


class NotAcceptable(Problem):
    status, name, title = 406, "not-acceptable", "None of the accepted media types is offered"


class Conflict(Problem):
    status, name, title = 409, "conflict", "Impossible in the present state"


class TooLarge(Problem):
    status, name, title = 413, "too-large", "The request is too large"


class UnsupportedMediaType(Problem):
    status, name, title = 415, "unsupported-media-type", "The body's media type is not accepted"


class RangeNotSatisfiable(Problem):
    status, name, title = 416, "range-not-satisfiable", "The range lies outside of the content"


class Validation(Problem):
    status, name, title = 422, "validation", "The request is not valid"


class IdempotencyMismatch(Problem):
    status, name, title = (
        422,
        "idempotency-mismatch",
        "The idempotency key was used with another request",
    )


class TooManyRequests(Problem):
    status, name, title = 429, "too-many-requests", "Too many requests"


class Internal(Problem):
    """Something unforeseen; its cause is in the server's log under the request id, never in the
    answer."""


class Unavailable(Problem):
    """Something that the service needs does not answer now; worth another try."""

    status, name, title = 503, "unavailable", "The service cannot answer now"


KINDS: Final[tuple[type[Problem], ...]] = tuple(Problem.__subclasses__())

BY_STATUS: Final[Mapping[int, type[Problem]]] = {
    kind.status: kind for kind in KINDS if kind is not IdempotencyMismatch
}


def invalid(field: str, message: str) -> Validation:
    """A validation problem of one field."""
    return Validation(f"{field}: {message}", errors=[FieldError(field, message)])

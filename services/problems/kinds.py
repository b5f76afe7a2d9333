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

    status = 400
    name = "bad-request"
    title = "The request cannot be understood"


class Unauthorized(Problem):
    status = 401
    name = "unauthorized"
    title = "A valid API key or token is needed"


class Forbidden(Problem):
    status = 403
    name = "forbidden"
    title = "Who asks may not do this"


class QuotaExceeded(Problem):
    """With `quota`, its `limit`, and the `amount` that there is or would be; of a file that is
    refused, its `size` as well."""

    status = 403
    name = "quota-exceeded"
    title = "The project has no more of this"


class NotFound(Problem):
    status = 404
    name = "not-found"
    title = "There is no such thing"


class MethodNotAllowed(Problem):
    status = 405
    name = "method-not-allowed"
    title = "This method is not offered here"


class NotAcceptable(Problem):
    status = 406
    name = "not-acceptable"
    title = "None of the accepted media types is offered"


class Conflict(Problem):
    status = 409
    name = "conflict"
    title = "Impossible in the present state"


class TooLarge(Problem):
    status = 413
    name = "too-large"
    title = "The request is too large"


class UnsupportedMediaType(Problem):
    status = 415
    name = "unsupported-media-type"
    title = "The body's media type is not accepted"


class RangeNotSatisfiable(Problem):
    status = 416
    name = "range-not-satisfiable"
    title = "The range lies outside of the content"


class Validation(Problem):
    status = 422
    name = "validation"
    title = "The request is not valid"


class IdempotencyMismatch(Problem):
    status = 422
    name = "idempotency-mismatch"
    title = "The idempotency key was used with another request"


class TooManyRequests(Problem):
    status = 429
    name = "too-many-requests"
    title = "Too many requests"


class Internal(Problem):
    """Something unforeseen; its cause is in the server's log under the request id, never in the
    answer."""


class Unavailable(Problem):
    """Something that the service needs does not answer now; worth another try."""

    status = 503
    name = "unavailable"
    title = "The service cannot answer now"


KINDS: Final[tuple[type[Problem], ...]] = tuple(Problem.__subclasses__())

BY_STATUS: Final[Mapping[int, type[Problem]]] = {
    kind.status: kind for kind in KINDS if kind not in (IdempotencyMismatch, QuotaExceeded)
}


MAX_FIELD_ERRORS: Final = 50
"""So many wrong fields are told of."""


def invalid(field: str, message: str) -> Validation:
    """A validation problem of one field."""
    return invalid_fields([FieldError(field, message)])


def invalid_fields(errors: Sequence[FieldError]) -> Validation:
    """A validation problem of several fields; the first few stand in its detail."""
    detail = "; ".join(f"{error.field}: {error.message}" for error in errors[:3])
    return Validation(detail, errors=errors[:MAX_FIELD_ERRORS])

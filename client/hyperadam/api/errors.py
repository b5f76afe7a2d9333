"""Everything that the client raises on purpose: one class for each problem name of the REST API,
under one base.

`ServerUnreachable` is the network's fault, `ApiError` the server's considered answer, `BadAnswer`
and `DamagedDownload` an answer that is not what was promised, `ConfigurationError` a client that
does not know where to go or who it is. Nothing of the HTTP library reaches the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final


class HyperAdamError(Exception):
    """Base of every error of the client."""

    problem: str | None = None
    """Name of the problem in the REST API (`not-found`, …); None when the error did not come from
    the server."""

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id
        """`X-Request-Id` of the answer: what to quote to whoever runs the server."""


class ConfigurationError(HyperAdamError):
    """The client was not told which server to talk to, or with which key; the message says how to
    tell it."""


class UntrustedVersion(HyperAdamError):
    """A version is not signed by a key that is trusted, or that cannot be found out."""


class UnprovenServer(ConfigurationError):
    """Something else listens where the server of this machine was; it was not sent the key."""


class ServerUnreachable(HyperAdamError):
    """No answer: the connection was refused, broke or timed out, after all retries."""

    def __init__(self, message: str, *, maybe_done: bool) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done
        """Whether the server may have received the request, and acted on it."""


class BadAnswer(HyperAdamError):
    """The server answered with something that is not the REST API."""


class DamagedDownload(HyperAdamError):
    """The bytes that arrived are not those that the server announced, after all retries."""


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """What is wrong with one field of a request."""

    field: str
    """Dotted path from the request's body, as in `spec.unroll.horizon`."""
    message: str


class ApiError(HyperAdamError):
    """The server refused the request. Subclasses stand for the problem names of the REST API."""

    PROBLEM: ClassVar[str | None] = None

    def __init__(
        self,
        message: str,
        *,
        status: int,
        problem: str | None = None,
        request_id: str | None = None,
        errors: tuple[FieldError, ...] = (),
        document: Mapping[str, Any] | None = None,
        retry_after: str | None = None,
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.status = status
        self.problem = problem or self.PROBLEM
        self.errors = errors
        """The fields that are wrong; empty unless the problem is one of validation."""
        self.document = dict(document or {})
        """The problem document as it was received."""
        self.retry_after = retry_after
        """The `Retry-After` header as it was received."""

    def __str__(self) -> str:
        """The message, and below it the wrong fields that it does not name by itself."""
        lines = [self.message]
        for error in self.errors:
            text = f"{error.field}: {error.message}"
            if text not in self.message:
                lines.append(f"  {text}")
        return "\n".join(lines)


class ValidationFailed(ApiError):
    """A field is not valid; `errors` names each."""

    PROBLEM = "validation"


class IdempotencyMismatch(ApiError):
    """The idempotency key was used before with another body."""

    PROBLEM = "idempotency-mismatch"


class BadRequest(ApiError):
    """The server cannot read the request at all."""

    PROBLEM = "bad-request"


class Unauthorized(ApiError):
    """No key, or one that the server does not know."""

    PROBLEM = "unauthorized"


class Forbidden(ApiError):
    """The key does not have the scope that the call needs."""

    PROBLEM = "forbidden"


class QuotaExceeded(ApiError):
    """The project has no more of what the call needs; `document` names the quota."""

    PROBLEM = "quota-exceeded"


class NotFound(ApiError):
    """There is no such thing."""

    PROBLEM = "not-found"


class MethodNotAllowed(ApiError):
    """The server does not offer this call: it may be older than the client."""

    PROBLEM = "method-not-allowed"


class Conflict(ApiError):
    """The action is impossible in the present state."""

    PROBLEM = "conflict"

    @property
    def state(self) -> str | None:
        """The job's present state; None when the conflict is not about a job."""
        state = self.document.get("state")
        return state if isinstance(state, str) else None


class TooLarge(ApiError):
    """The request's body is larger than the server accepts."""

    PROBLEM = "too-large"


class NotAcceptable(ApiError):
    """The server has nothing of the media type that was asked for."""

    PROBLEM = "not-acceptable"


class UnsupportedMediaType(ApiError):
    """The server does not read bodies of this media type."""

    PROBLEM = "unsupported-media-type"


class RangeNotSatisfiable(ApiError):
    """The range that was asked for lies outside of the content."""

    PROBLEM = "range-not-satisfiable"


class TooManyRequests(ApiError):
    """The server asks for patience, and still did after all retries."""

    PROBLEM = "too-many-requests"


class Unavailable(ApiError):
    """The server cannot answer at the moment, after all retries."""

    PROBLEM = "unavailable"


class InternalError(ApiError):
    """The server failed; its log has the request id."""

    PROBLEM = "internal"


PROBLEMS: Final[dict[str, type[ApiError]]] = {
    error.PROBLEM: error for error in ApiError.__subclasses__() if error.PROBLEM is not None
}
"""Problem name → exception."""


def make_problem_error(status: int, document: Any, headers: Mapping[str, str]) -> ApiError:
    """The exception for an answer with an error status; `document` is its JSON body, or None when
    it had none.

    A problem name that this client does not know (a newer server), or no problem document at all (a
    proxy), gives a plain `ApiError` with the status.
    """
    body: Mapping[str, Any] = document if isinstance(document, Mapping) else {}
    problem = _read_problem(body)
    error_type = PROBLEMS.get(problem, ApiError) if problem else ApiError
    request_id = body.get("request_id")
    if not isinstance(request_id, str):
        request_id = headers.get("x-request-id")

    return error_type(
        _read_message(body) or _describe_status(status),
        status=status,
        problem=problem,
        request_id=request_id,
        errors=_read_field_errors(body.get("errors")),
        document=body,
        retry_after=headers.get("retry-after"),
    )


def _describe_status(status: int) -> str:
    """What an answer means that says nothing else."""
    if status in (502, 503, 504):
        return (
            f"a proxy or gateway answered with status {status} in place of the server: is the "
            "server running, and does the URL lead to it? (HTTP_PROXY and HTTPS_PROXY are obeyed, "
            "NO_PROXY says for which hosts not)"
        )
    return f"the server answered with status {status}"


def _read_problem(body: Mapping[str, Any]) -> str | None:
    """The problem's name in its document, whose type is `/problems/<name>`."""
    kind = body.get("type")
    if isinstance(kind, str) and kind.startswith("/problems/"):
        return kind.rpartition("/")[2]
    return None


def _read_message(body: Mapping[str, Any]) -> str | None:
    """The sentence of a problem document, else its title."""
    for key in ("detail", "title"):
        text = body.get(key)
        if isinstance(text, str) and text:
            return text
    return None


def _read_field_errors(entries: Any) -> tuple[FieldError, ...]:
    """The entries that name a field and say what is wrong with it."""
    if not isinstance(entries, list):
        return ()
    names = {"field", "message"}
    valid = [entry for entry in entries if isinstance(entry, Mapping) and names <= entry.keys()]
    return tuple(
        FieldError(field=str(entry["field"]), message=str(entry["message"])) for entry in valid
    )

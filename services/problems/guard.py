"""The outermost layer of errors: whatever answers with an error status, the client receives a
problem document.

Some answers are made by the framework below our handlers (a body over the limit, a range outside of
a file) as plain text. This layer holds back the start of an error answer until it knows its media
type, and replaces what is no JSON.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.problems.handlers import respond_with_status
from services.problems.pages import MEDIA_TYPE as PAGE
from services.problems.pages import find_plan

_KEPT_HEADERS: Final = ("allow", "content-range", "retry-after", "www-authenticate")
_OUR_MEDIA_TYPES: Final = ("application/problem+json", "application/json")
_MAX_DETAIL_BYTES: Final = 500


class ProblemGuard:
    """ASGI layer around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        foreign_start: Message | None = None
        text = b""

        async def guarded_send(message: Message) -> None:
            nonlocal foreign_start, text
            if message["type"] == "http.response.start" and _is_foreign(message, scope):
                foreign_start = message
            elif foreign_start is None:
                await send(message)
            elif message["type"] == "http.response.body":
                text = (text + message.get("body", b""))[:_MAX_DETAIL_BYTES]
                if not message.get("more_body", False):
                    answer = _make_answer(foreign_start, text, scope)
                    await answer(scope, receive, send)

        await self._app(scope, receive, guarded_send)


def _is_foreign(start: Message, scope: Scope) -> bool:
    """Whether an error answer begins that is none of ours."""
    media_type = MutableHeaders(raw=start["headers"]).get("content-type", "")
    if find_plan(scope) is not None and media_type.startswith(PAGE):
        return False
    return start["status"] >= 400 and not media_type.startswith(_OUR_MEDIA_TYPES)


def _make_answer(start: Message, text: bytes, scope: Scope) -> Response:
    """The problem document in place of a foreign answer."""
    headers = MutableHeaders(raw=start["headers"])
    kept_headers = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
    detail = text.decode("utf-8", "replace")
    return respond_with_status(scope, start["status"], detail, kept_headers)

"""The outermost layer of errors: whatever answers with an error status, the client receives a
problem document.

Some answers are made by the framework below our handlers (a body over the limit, a range outside of
a file) as plain text. This layer holds back the start of an error answer until it knows its media
type, and replaces what is no JSON.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.problems.handlers import of_status

_KEPT: Final = ("allow", "content-range", "retry-after", "www-authenticate")
_MAX_DETAIL_BYTES: Final = 500


class ProblemGuard:
    """ASGI layer around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        replaced: Message | None = None
        text = b""

        async def guarded(message: Message) -> None:
            nonlocal replaced, text
            if message["type"] == "http.response.start" and _is_foreign(message):
                replaced = message
            elif replaced is None:
                await send(message)
            elif message["type"] == "http.response.body":
                text = (text + message.get("body", b""))[:_MAX_DETAIL_BYTES]
                if not message.get("more_body", False):
                    await _replace(replaced, text, scope, receive, send)

        await self._app(scope, receive, guarded)


def _is_foreign(start: Message) -> bool:
    kind = MutableHeaders(raw=start["headers"]).get("content-type", "")
    return start["status"] >= 400 and not kind.startswith(
        ("application/problem+json", "application/json")
    )


async def _replace(start: Message, text: bytes, scope: Scope, receive: Receive, send: Send) -> None:
    headers = MutableHeaders(raw=start["headers"])
    kept = {name: headers[name] for name in _KEPT if name in headers}
    await of_status(scope, start["status"], text.decode("utf-8", "replace"), kept)(
        scope, receive, send
    )

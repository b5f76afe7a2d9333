"""What a process does before it takes its first request, so that no request waits for it.

FastAPI prepares its routes when the first request is matched, which takes the event loop a tenth of
a second on an idle core. And Python's garbage collector now and then walks over everything that is
in memory: libraries that stay there for ever cost each of its rounds a third of a second.
"""

from __future__ import annotations

import gc
from typing import Any, Final

from fastapi import FastAPI
from starlette.types import Message

_SCOPE: Final[dict[str, Any]] = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/livez",
    "raw_path": b"/livez",
    "query_string": b"",
    "root_path": "",
    "client": ("127.0.0.1", 0),
    "server": ("127.0.0.1", 0),
}


async def prepare(app: FastAPI) -> None:
    """Prepare all routes, and let the application answer a request of our own."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Message) -> None:
        pass

    for route in app.routes:
        route.matches({**_SCOPE, "path": "/no-such-path", "app": app})
    await app({**_SCOPE, "headers": [(b"host", b"localhost")]}, receive, send)


def settle_memory() -> None:
    """What is in memory now stays there: the garbage collector looks at it no more."""
    gc.collect()
    gc.freeze()

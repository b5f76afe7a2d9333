"""Layers around the application for what stands before it.

A proxy may take its path off a request or leave it there: both are understood. What it says in
`X-Forwarded-For`, `-Proto` and `-Prefix` counts only where the connection comes from an address
that the operator named.
"""

from __future__ import annotations

import posixpath
from collections.abc import Container as Collection
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from services.proxies.checks import check_root_path

PREFIX_HEADER: Final = "x-forwarded-prefix"
_REQUEST_HEADERS: Final = (
    "Authorization",
    "HyperAdam-Project",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "If-Range",
    "Last-Event-ID",
    "Range",
    "X-Request-Id",
)
"""Without `X-Requested-With`: what a browser's session may change stays for own pages alone."""
_ANSWER_HEADERS: Final = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Location",
    "Repr-Digest",
    "Retry-After",
    "X-Request-Id",
    "X-Version",
)
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_PREFLIGHT_SECONDS: Final = 600


def find_own_path(scope: Scope) -> str:
    """The path of a request below the service's root."""
    root: str = scope.get("root_path", "")
    path: str = scope["path"]
    return path.removeprefix(root) if _is_below(path, root) else path


def answer_origins(app: ASGIApp, origins: str) -> ASGIApp:
    """The application, which tells browsers that pages of these origins may ask it.

    They send an API key: a session's cookie is never for them.
    """
    return CORSMiddleware(
        app,
        allow_origins=origins.split(","),
        allow_methods=_METHODS,
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_ANSWER_HEADERS,
        max_age=_PREFLIGHT_SECONDS,
    )


def stand_behind(app: ASGIApp, proxies: str, root_path: str) -> ASGIApp:
    """The application behind its proxies.

    Args:
        proxies: whose headers are believed, as `check_proxies` gives them; empty: nobody's.
        root_path: where the service is at its proxy; one that is believed may say it, too.
    """
    if not proxies:
        return RootPath(app, root_path, frozenset())
    believing = ProxyHeadersMiddleware(app, proxies)  # type: ignore[arg-type]
    return RootPath(believing, root_path, believing.trusted_hosts)  # type: ignore[arg-type]


class RootPath:
    """ASGI layer that says below which path the service is.

    It comes before the one that puts a client's address in the place of its proxy's.
    """

    def __init__(self, app: ASGIApp, root_path: str, trusted: Collection[str | None]) -> None:
        self._app = app
        self._root_path = root_path
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = self._find_root(scope) if scope["type"] == "http" else ""
        if not root:
            await self._app(scope, receive, send)
            return

        path: str = scope["path"]
        if path == root:
            # the links of the page are relative to the folder
            folder = RedirectResponse(f"{posixpath.basename(root)}/", 308)
            await folder(scope, receive, send)
            return
        if not _is_below(path, root):
            raw_path = root.encode("ascii") + scope.get("raw_path", b"")
            scope = {**scope, "path": root + path, "raw_path": raw_path}
        await self._app({**scope, "root_path": root}, receive, send)

    def _find_root(self, scope: Scope) -> str:
        client = scope.get("client")
        if client is None or client[0] not in self._trusted:
            return self._root_path
        said = Headers(scope=scope).get(PREFIX_HEADER)
        if said is None:
            return self._root_path
        try:
            return check_root_path(said)
        except ValueError:
            return self._root_path


def _is_below(path: str, root: str) -> bool:
    return bool(root) and path.startswith(f"{root}/")

"""The outermost layer of every request: its id, log line, measurements and failures."""

from __future__ import annotations

import re
import time
import uuid
from typing import Final
from urllib.parse import quote

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.observability.metrics import Metrics
from services.observability.traces import QUIET_PATHS, mark_span
from services.proxies.layers import find_own_path

HEADER: Final = "X-Request-Id"
UNMATCHED: Final = "unmatched"
"""Route label of requests that no route takes, whatever their path."""

_SANE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = structlog.get_logger(__name__)


class RequestLayer:
    """ASGI layer around everything, the layer of problem documents included."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        request_id = _choose_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        watch = _Watch(send, request_id)
        context = {"request_id": request_id, **mark_span(request_id)}
        with (
            structlog.contextvars.bound_contextvars(**context),
            self._metrics.in_progress.track_inprogress(),
        ):
            try:
                await self._app(scope, receive, watch.send)
            except Exception:
                log.exception("request.failed", method=scope["method"], path=_printable_path(scope))
                # the server then breaks the connection, so that half an answer does not pass for a
                # whole one
                if not watch.is_complete:
                    raise
            finally:
                self._record(scope, watch)

    def _record(self, scope: Scope, watch: _Watch) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = _find_route(scope)
        self._metrics.requests.labels(method, route, str(watch.status)).inc()
        self._metrics.latency.labels(method, route).observe(watch.seconds_to_start)

        is_quiet = route in QUIET_PATHS and watch.status < 500
        if is_quiet:
            return
        log.info(
            "request",
            method=scope["method"],
            path=_printable_path(scope),
            status=watch.status,
            duration_ms=round(watch.seconds() * 1000, 1),
            client=(scope.get("client") or ("unknown",))[0],
            actor=scope["state"].get("actor"),
        )


class _Watch:
    """Looks on while an answer is sent, and adds the request id to it."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self._began = time.perf_counter()
        self.status = 499
        """As it was sent; 499 when the client went away before."""
        self.seconds_to_start = 0.0
        self.is_complete = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.seconds_to_start = self.seconds()
            MutableHeaders(raw=message["headers"])[HEADER] = self._request_id
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self.is_complete = True
        await self._send(message)

    def seconds(self) -> float:
        return time.perf_counter() - self._began


def _find_route(scope: Scope) -> str:
    """The template of the route that took the request (`/v1/jobs/{job_id}`)."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else UNMATCHED


def _choose_id(scope: Scope) -> str:
    """The client's own id, if it is harmless in logs and headers; else a new one."""
    client_id = Headers(scope=scope).get(HEADER, "")
    if _SANE_ID.fullmatch(client_id):
        return client_id
    return f"req_{uuid.uuid4().hex}"


def _printable_path(scope: Scope) -> str:
    """The path below the service's root, without a character that could forge a line of the log.

    The query is left out: it may hold anything.
    """
    return quote(find_own_path(scope), safe="/:@!$&'()*+,;=~-._")

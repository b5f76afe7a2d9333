"""The layer that notes each request of a known asker that would change something, before its answer
is sent: whoever has an answer is in the log."""

from __future__ import annotations

from typing import Final

from fastapi.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.container import Container
from services.proxies.layers import find_own_path

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FAILED: Final = 500


class AuditLayer:
    """ASGI layer inside of the one that gives requests their ids."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _READS:
            await self._app(scope, receive, send)
            return

        is_noted = False

        async def send_noted(message: Message) -> None:
            nonlocal is_noted
            if message["type"] == "http.response.start":
                is_noted = True
                await note(scope, message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except Exception:  # a layer further out answers; something may have been changed before
            if not is_noted:
                await note(scope, _FAILED)
            raise


async def note(scope: Scope, status: int) -> None:
    """Keep that the request of this scope was answered so, if it is known who asked."""
    state = scope.get("state", {})
    principal = state.get("principal")
    if principal is None or state.get("is_trial"):
        return
    services: Container = scope["app"].state.services
    await run_in_threadpool(
        services.audit.record,
        actor=principal.name,
        key_id=principal.key_id,
        project=principal.project,
        method=scope["method"],
        path=find_own_path(scope),
        subject=state.get("subject"),
        status=status,
        client=(scope.get("client") or ("unknown",))[0],
        request_id=state.get("request_id", ""),
    )

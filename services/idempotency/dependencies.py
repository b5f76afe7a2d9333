"""`require_post(scope)`: what every POST depends on, its guard and its `Idempotency-Key`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated

from fastapi import Depends, Header, Request

from services.auth.dependencies import Principal, require
from services.auth.scopes import Scope
from services.idempotency.service import Post
from services.proxies.layers import find_own_path

__all__ = ["AdminPost", "Post", "Submission", "require_post"]

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="A repeat with the same key and body does nothing twice; "
        "with another body it is refused.",
    ),
]


@cache
def require_post(scope: Scope) -> Callable[..., Awaitable[Post]]:
    """The dependency for one scope."""
    guard = require(scope)

    async def make_post(
        request: Request, key: Key = None, principal: Principal = Depends(guard)
    ) -> Post:
        return Post(principal=principal, operation=f"POST {find_own_path(request.scope)}", key=key)

    return make_post


Submission = Annotated[Post, Depends(require_post("submit"))]
AdminPost = Annotated[Post, Depends(require_post("admin"))]

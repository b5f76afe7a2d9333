"""A token that ends soon: whoever has new ones is asked before each request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Final

import httpx2

from hyperadam.api.config import check_key

TokenSource = Callable[[], str]
"""Gives a token that is valid now. It is asked before each request, by a thread of `AsyncClient`:
keep the token, and ask the issuer only when it is about to end."""


class FreshToken(httpx2.Auth):
    """Adds a token of the source to each request.

    Raises:
        ConfigurationError: what the source gave is no token; nothing was sent.
    """

    def __init__(self, source: TokenSource) -> None:
        self._source: Final = source

    def sync_auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = f"Bearer {check_key(self._source())}"
        yield request

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        token = await asyncio.to_thread(self._source)
        request.headers["Authorization"] = f"Bearer {check_key(token)}"
        yield request

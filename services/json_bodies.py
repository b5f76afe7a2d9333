"""JSON of requests, read as strictly on every route as that of Θ files.

What is too deep, of too many items, names a member twice, or could not be written as JSON again
(half a surrogate pair, a number that no float holds) never reaches a model.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from hyperadam import strict_json

_MAX_BYTES: Final = 2**30
"""Bodies are bounded before, by the application's `max_body_size`."""
_MAX_DEPTH: Final = 80
"""Deeper than any part of a body may be: a part that is too deep is named by its own check."""


class StrictRequest(Request):
    """A request whose JSON is what `hyperadam.strict_json` accepts."""

    async def json(self) -> Any:
        data = await self.body()
        try:
            return strict_json.loads(data, max_bytes=_MAX_BYTES, max_depth=_MAX_DEPTH)
        except strict_json.StrictJSONError as error:
            if isinstance(error.__cause__, json.JSONDecodeError):
                raise error.__cause__ from error
            raise json.JSONDecodeError(str(error), "", 0) from error


class StrictRoute(APIRoute):
    """A route that reads its JSON strictly."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly

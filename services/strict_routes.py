"""Routes that take what they know, and nothing else.

JSON of requests is read as strictly as that of Θ files: what is too deep, of too many items, names
a member twice, or could not be written as JSON again (half a surrogate pair, a number that no float
holds) never reaches a model. Query parameters that an operation does not have are refused.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any, Final

from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from hyperadam import strict_json

from services.near_names import find_near
from services.problems import invalid

_MAX_BYTES: Final = 2**30
"""Bodies are bounded before, by the application's `max_body_size`."""
_MAX_DEPTH: Final = 80
"""Deeper than any part of a body may be: a part that is too deep is named by its own check."""


_SMALL_BYTES: Final = 2**16
"""Larger bodies are read by a thread: a megabyte of brackets takes a tenth of a second."""


def _parse(data: bytes) -> Any:
    return strict_json.loads(data, max_bytes=_MAX_BYTES, max_depth=_MAX_DEPTH)


class StrictRequest(Request):
    """A request whose JSON is what `hyperadam.strict_json` accepts."""

    async def json(self) -> Any:
        data = await self.body()
        try:
            if len(data) <= _SMALL_BYTES:
                return _parse(data)
            return await run_in_threadpool(_parse, data)
        except strict_json.StrictJSONError as error:
            if isinstance(error.__cause__, json.JSONDecodeError):
                raise error.__cause__ from error
            raise json.JSONDecodeError(str(error), "", 0) from error


class StrictRoute(APIRoute):
    """A route that reads its JSON strictly, and refuses query parameters that it does not have: a
    filter with a typing error would otherwise be no filter."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        dependencies = list(options.pop("dependencies", None) or [])
        if _CHECK_PARAMETERS not in dependencies:  # once, though routers are included
            dependencies.append(_CHECK_PARAMETERS)
        super().__init__(path, endpoint, dependencies=dependencies, **options)

    @cached_property
    def query_names(self) -> frozenset[str]:
        """The query parameters that the operation has."""
        parameters = get_flat_params(self.dependant)
        return frozenset(field.alias for field in parameters if isinstance(field.field_info, Query))

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly


async def _check_parameters(request: Request) -> None:
    """After all other dependencies: who has no key is told that first."""
    names = request.scope["route"].query_names
    unknown = sorted(set(request.query_params) - names)
    if unknown:
        raise invalid(unknown[0] or "query", describe_unknown_parameter(unknown[0], names))


def describe_unknown_parameter(name: str, names: frozenset[str]) -> str:
    """What is wrong with a query parameter that an operation does not have."""
    if not names:
        return "is no parameter here: this operation takes none"
    near = find_near(name, names)
    if near is not None:
        return f"is no parameter here: did you mean {near}?"
    return f"is no parameter here; there are {', '.join(sorted(names))}"


_CHECK_PARAMETERS: Final = Depends(_check_parameters)

"""One client, two worlds. Everything above the wire is written once, as coroutines over the small
interface `Wire`.

`AsyncClient` awaits those coroutines on an event loop. `Client` runs the same ones to their end on
the spot: over a blocking wire no `await` ever suspends, so a coroutine's first `send(None)` already
returns its result. No thread and no event loop is involved, and a blocking client may be used
inside a running loop (a notebook).
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
)
from typing import Any, BinaryIO, Concatenate, Final, ParamSpec, Protocol, TypeVar

import httpx2

P = ParamSpec("P")
T = TypeVar("T")

_PIECE_BYTES: Final = 2**20


class Wire(Protocol):
    """What the coroutines may wait for."""

    def build(self, method: str, path: str, **options: Any) -> httpx2.Request:
        """A request to the server; `options` as of `httpx2.Client.build_request`."""

    async def send(self, request: httpx2.Request, *, stream: bool = False) -> httpx2.Response:
        """The answer; with `stream`, its body is still to be read with `read_chunks`, and to be
        closed."""

    def read_chunks(self, response: httpx2.Response) -> AsyncGenerator[bytes]:
        """The body of a streamed answer, piece by piece."""

    def read_server_events(
        self, response: httpx2.Response
    ) -> AsyncGenerator[httpx2.ServerSentEvent]:
        """The body of a streamed `text/event-stream`, event by event."""

    def stream_file(self, file: BinaryIO) -> AsyncIterable[bytes] | Iterable[bytes]:
        """A file from its beginning, as the body of a request that is sent piece by piece."""

    async def close_response(self, response: httpx2.Response) -> None:
        """Give the connection of a streamed answer back."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def close(self) -> None:
        """Give all connections back."""


class BlockingWire:
    """Never suspends."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http

    def build(self, method: str, path: str, **options: Any) -> httpx2.Request:
        return self._http.build_request(method, path, **options)

    async def send(self, request: httpx2.Request, *, stream: bool = False) -> httpx2.Response:
        return self._http.send(request, stream=stream)

    async def read_chunks(self, response: httpx2.Response) -> AsyncGenerator[bytes]:
        for chunk in response.iter_bytes():
            yield chunk

    async def read_server_events(
        self, response: httpx2.Response
    ) -> AsyncGenerator[httpx2.ServerSentEvent]:
        for event in httpx2.EventSource(response):
            yield event

    def stream_file(self, file: BinaryIO) -> Iterable[bytes]:
        return _read_pieces(file)

    async def close_response(self, response: httpx2.Response) -> None:
        response.close()

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 (never on a loop)

    async def close(self) -> None:
        self._http.close()


class AsyncWire:
    """Suspends on the running asyncio loop."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    def build(self, method: str, path: str, **options: Any) -> httpx2.Request:
        return self._http.build_request(method, path, **options)

    async def send(self, request: httpx2.Request, *, stream: bool = False) -> httpx2.Response:
        return await self._http.send(request, stream=stream)

    async def read_chunks(self, response: httpx2.Response) -> AsyncGenerator[bytes]:
        async for chunk in response.aiter_bytes():
            yield chunk

    async def read_server_events(
        self, response: httpx2.Response
    ) -> AsyncGenerator[httpx2.ServerSentEvent]:
        async for event in httpx2.EventSource(response):
            yield event

    async def stream_file(self, file: BinaryIO) -> AsyncGenerator[bytes]:
        for piece in _read_pieces(file):
            yield piece

    async def close_response(self, response: httpx2.Response) -> None:
        await response.aclose()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        await self._http.aclose()


def _read_pieces(file: BinaryIO) -> Iterator[bytes]:
    """A file from its beginning, piece by piece."""
    file.seek(0)
    while piece := file.read(_PIECE_BYTES):
        yield piece


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError("a coroutine of the blocking client suspended")


def iterate(items: AsyncGenerator[T]) -> Generator[T]:
    """The items of an asynchronous generator that never suspends; closing this closes it."""
    try:
        while True:
            try:
                item = run(items.asend(None))
            except StopAsyncIteration:
                return
            yield item
    finally:
        run(items.aclose())


def blocking(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Any, P], T]:
    """The blocking twin of a coroutine method: same parameters, same docstring, for a class with
    `_twin`."""

    @functools.wraps(method)
    def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run(method(self._twin, *args, **kwargs))

    return _document(call, method)


def blocking_iterator(
    method: Callable[Concatenate[Any, P], AsyncGenerator[T]],
) -> Callable[Concatenate[Any, P], Generator[T]]:
    """The blocking twin of a method that returns an asynchronous generator."""

    @functools.wraps(method)
    def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Generator[T]:
        return iterate(method(self._twin, *args, **kwargs))

    return _document(call, method)


def _document(call: Callable[P, T], method: Callable[..., Any]) -> Callable[P, T]:
    """Makes `help()` show a plain function with the twin's parameters."""
    signature = inspect.signature(method)
    call.__signature__ = signature.replace(return_annotation=inspect.Signature.empty)  # type: ignore[attr-defined]
    return call

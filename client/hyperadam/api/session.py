"""One conversation with a server: requests with retries, pages of lists, bodies that are streamed,
typed errors.

Knows the conventions of the REST API, not its resources.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, BinaryIO, Final, TypeVar
from urllib.parse import quote

import httpx2

from hyperadam import strict_json
from hyperadam.api.bridge import Wire
from hyperadam.api.decode import RecordT, decode
from hyperadam.api.errors import BadAnswer, HyperAdamError, ServerUnreachable, make_problem_error
from hyperadam.api.retry import NO_RETRY, RetryPolicy
from hyperadam.strict_json import StrictJSONError

IDEMPOTENT_METHODS: Final = frozenset({"GET", "HEAD", "PUT"})
PAGE_SIZE: Final = 200
MAX_ANSWER_BYTES: Final = 64 * 2**20
"""Of an answer that is read whole, decoded."""
MAX_ANSWER_SECONDS: Final = 300.0
"""From its headers to its end."""
MAX_ANSWER_DEPTH: Final = 100
MAX_ANSWER_ITEMS: Final = 2_000_000
_OF_THE_CODED_BODY: Final = ("content-encoding", "content-length", "transfer-encoding")
_NEVER_SENT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
)

T = TypeVar("T")


class Session:
    """Sends requests over a wire."""

    def __init__(self, wire: Wire, url: str, policy: RetryPolicy) -> None:
        self.wire = wire
        self.url = url
        self.policy = policy

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        content: bytes | None = None,
        file: BinaryIO | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
        retry: bool = True,
        also: frozenset[int] = frozenset(),
    ) -> httpx2.Response:
        """The answer, read whole, with a status of 2xx or one in `also`.

        Args:
            params: those that are None are left out.
            body: sent as JSON.
            content: sent as it is, in place of `body`.
            file: sent as it is and piece by piece, in place of `body`.
            idempotent: whether doing it twice is as good as once; None: when the method says so.
            retry: False: one try only.
        """
        query = {name: value for name, value in (params or {}).items() if value is not None}
        if idempotent is None:
            idempotent = method in IDEMPOTENT_METHODS

        async def send_once() -> httpx2.Response:
            sent = content if file is None else self.wire.stream_file(file)
            request = self.wire.build(
                method, path, params=query, json=body, content=sent, headers=headers
            )
            response = await self._read_whole(request)
            if response.is_success or response.status_code in also:
                return response
            raise self.make_refusal(response, response.content)

        policy = self.policy if retry else NO_RETRY
        return await self.retry(send_once, idempotent=idempotent, policy=policy)

    async def _read_whole(self, request: httpx2.Request) -> httpx2.Response:
        """The answer with its body, which has bounds in size and in time."""
        with self.translate_failures():
            response = await self.wire.send(request, stream=True)
            try:
                body = await self._read_body(response)
            finally:
                await self.wire.close_response(response)

        headers = httpx2.Headers(response.headers)
        for name in _OF_THE_CODED_BODY:
            headers.pop(name, None)
        return httpx2.Response(
            response.status_code, headers=headers, content=body, request=response.request
        )

    async def _read_body(self, response: httpx2.Response) -> bytes:
        """The decoded body of a streamed answer.

        Raises:
            BadAnswer: it is longer than any answer of the API is.
            ServerUnreachable: it does not arrive in time.
        """
        deadline = time.monotonic() + MAX_ANSWER_SECONDS
        chunks = []
        n_bytes = 0
        async with aclosing(self.wire.read_chunks(response)) as arriving:
            async for chunk in arriving:
                n_bytes += len(chunk)
                if n_bytes > MAX_ANSWER_BYTES:
                    raise BadAnswer(
                        f"{self.url} answered with more than the {MAX_ANSWER_BYTES} bytes "
                        "that are accepted"
                    )
                if time.monotonic() > deadline:
                    raise ServerUnreachable(
                        f"{self.url} did not end its answer within {MAX_ANSWER_SECONDS:g} s",
                        maybe_done=True,
                    )
                chunks.append(chunk)
        return b"".join(chunks)

    async def post(self, path: str, body: Any = None, key: str | None = None) -> httpx2.Response:
        """The answer to a POST with an `Idempotency-Key`, made anew for each call when it is not
        given: the server does once what the call, with its own retries, asks for."""
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return await self.request("POST", path, body=body, headers=headers, idempotent=True)

    async def retry(
        self,
        attempt: Callable[[], Awaitable[T]],
        *,
        idempotent: bool = True,
        policy: RetryPolicy | None = None,
    ) -> T:
        """What `attempt` returns, tried as often as the policy says."""
        policy = policy or self.policy
        failures = 0
        while True:
            try:
                return await attempt()
            except HyperAdamError as error:
                failures += 1
                delay = policy.delay_seconds(error, failures, idempotent=idempotent)
                if delay is None:
                    raise
            await self.wire.sleep(delay)

    async def get(
        self, kind: type[RecordT], path: str, params: Mapping[str, Any] | None = None
    ) -> RecordT:
        """The record at a path."""
        response = await self.request("GET", path, params=params)
        return self.decode_record(kind, response)

    def decode_record(self, kind: type[RecordT], response: httpx2.Response) -> RecordT:
        """The record in an answer's body."""
        return decode(kind, self.read_json(response))

    def read_json(self, response: httpx2.Response) -> Any:
        """An answer's body."""
        try:
            return read_answer_json(response.content)
        except StrictJSONError as error:
            request = response.request
            raise BadAnswer(
                f"{request.method} {request.url} answered with something that is not JSON "
                f"({error!s:.100}); is {self.url} a HyperAdam server?",
                request_id=response.headers.get("x-request-id"),
            ) from error

    async def fetch_pages(
        self,
        kind: type[RecordT],
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        limit: int | None = None,
        page_size: int | None = PAGE_SIZE,
    ) -> AsyncGenerator[RecordT]:
        """All records of a list, at most `limit`, fetched page by page as they are consumed.

        `page_size` None leaves the size of a page to the server.
        """
        query = dict(params or {})
        n_left = limit
        while n_left is None or n_left > 0:
            query["limit"] = page_size if n_left is None else min(n_left, page_size or PAGE_SIZE)
            page = self.read_json(await self.request("GET", path, params=query))
            items = page.get("items") if isinstance(page, dict) else None
            if not isinstance(items, list):
                raise BadAnswer(f"GET {path} should answer with a list of items")

            for index, item in enumerate(items[:n_left]):
                yield decode(kind, item, f"items.{index}")

            cursor = page.get("next_cursor")
            if not cursor:
                return
            query["cursor"] = cursor
            if n_left is not None:
                n_left -= len(items)

    @asynccontextmanager
    async def open(self, path: str, **options: Any) -> AsyncIterator[httpx2.Response]:
        """A 2xx answer whose body is still to be read from the wire; one try. `options` as of
        `Wire.build`."""
        request = self.wire.build("GET", path, **options)
        with self.translate_failures():
            response = await self.wire.send(request, stream=True)
            try:
                if not response.is_success:
                    body = await self._read_body(response)
                    raise self.make_refusal(response, body)
                yield response
            finally:
                await self.wire.close_response(response)

    def make_refusal(self, response: httpx2.Response, body: bytes) -> HyperAdamError:
        """The exception for an answer that is not a success."""
        if response.status_code < 400:
            where = response.headers.get("location", "nowhere")
            return BadAnswer(
                f"{self.url} answered with status {response.status_code}, to {where}; "
                "is the URL right?"
            )
        try:
            document = read_answer_json(body)
        except StrictJSONError:
            document = None
        return make_problem_error(response.status_code, document, response.headers)

    @contextmanager
    def translate_failures(self) -> Iterator[None]:
        """Failures of the connection become `ServerUnreachable`."""
        try:
            yield
        except httpx2.RequestError as error:
            reason = str(error) or type(error).__name__
            if isinstance(error, httpx2.TimeoutException):
                reason = f"no answer in time ({type(error).__name__})"
            message = f"cannot reach {self.url}: {reason}"
            maybe_done = not isinstance(error, _NEVER_SENT)
            raise ServerUnreachable(message, maybe_done=maybe_done) from error


def read_answer_json(data: bytes) -> Any:
    """The JSON of an answer, bounded before it is parsed; raises StrictJSONError."""
    return strict_json.loads(
        data, max_bytes=MAX_ANSWER_BYTES, max_depth=MAX_ANSWER_DEPTH, max_items=MAX_ANSWER_ITEMS
    )


def join_path(*segments: str | int) -> str:
    """`/v1/…` of quoted segments; one that is empty or made of dots would be another path, and is
    refused."""
    texts = [str(segment) for segment in segments]
    for text in texts:
        if text in ("", ".", ".."):
            raise ValueError(f"not a name: {text!r}")
    return "/v1/" + "/".join(quote(text, safe="") for text in texts)

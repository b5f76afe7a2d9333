"""Bodies that arrive piece by piece: files, checked by their digest, and the live events of a
job."""

from __future__ import annotations

import hashlib
import math
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

import httpx2

from hyperadam.api.decode import decode
from hyperadam.api.errors import BadAnswer, DamagedDownload, HyperAdamError, ServerUnreachable
from hyperadam.api.models import Event, Job
from hyperadam.api.session import Session, read_answer_json
from hyperadam.strict_json import StrictJSONError

LAST_EVENT: Final = "job.ended"
QUIET_SECONDS: Final = 60.0
"""A live stream that sends nothing for so long, not even a comment, is taken for broken."""
_HEX: Final = frozenset("0123456789abcdef")


async def download(
    session: Session,
    path: str,
    sink: BinaryIO,
    *,
    max_bytes: int,
    max_seconds: float = math.inf,
    sha256: str | None = None,
) -> str:
    """Write a body into `sink`, and return its digest.

    A body that breaks off goes on where it broke, if it is still the same content (a strong `ETag`
    says so); one that arrives damaged is fetched again. The digest equals `sha256`, if that is
    given, or else the strong `ETag`, if that is a digest.

    Raises:
        DamagedDownload: the digest differs, after all retries.
        BadAnswer: it is longer than `max_bytes`, or takes longer than `max_seconds` at a stretch.
    """
    transfer = _Transfer(session, path, sink, max_bytes, max_seconds, sha256)
    return await session.retry(transfer.attempt)


class _Transfer:
    """A body on its way into a sink, over as many connections as it takes."""

    def __init__(
        self,
        session: Session,
        path: str,
        sink: BinaryIO,
        max_bytes: int,
        max_seconds: float,
        sha256: str | None,
    ) -> None:
        self._session = session
        self._path = path
        self._sink = sink
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._sha256 = sha256
        self._etag = ""
        self._restart()

    def _restart(self) -> None:
        self._sink.seek(0)
        self._sink.truncate()
        self._digest = hashlib.sha256()
        self._n_bytes = 0

    async def attempt(self) -> str:
        """Receive what is missing; the digest of the whole."""
        headers = {"Accept-Encoding": "identity"}  # a range is one of these very bytes
        if self._n_bytes and self._etag:
            headers |= {"Range": f"bytes={self._n_bytes}-", "If-Range": self._etag}
        async with self._session.open(self._path, headers=headers) as response:
            if response.status_code == httpx2.codes.PARTIAL_CONTENT:
                self._check_range(response)
            else:
                self._restart()
            self._etag = _keep_strong(str(response.headers.get("etag", "")))
            await self._receive(response)

        n_bytes = self._n_bytes
        sha256 = self._digest.hexdigest()
        expected = self._sha256 or _read_sha256(self._etag)
        if expected is not None and sha256 != expected:
            self._restart()
            raise DamagedDownload(
                f"GET {self._path}: {n_bytes} bytes arrived with sha256 {sha256}, "
                f"expected {expected}"
            )
        return sha256

    def _check_range(self, response: httpx2.Response) -> None:
        """A partial answer begins where the last one ended.

        Raises:
            DamagedDownload: it does not; the next attempt begins anew.
        """
        content_range = str(response.headers.get("content-range", ""))
        if not content_range.startswith(f"bytes {self._n_bytes}-"):
            self._restart()
            raise DamagedDownload(
                f"GET {self._path}: another part arrived than the one that was asked for"
            )

    async def _receive(self, response: httpx2.Response) -> None:
        deadline = time.monotonic() + self._max_seconds
        async with aclosing(self._session.wire.read_chunks(response)) as chunks:
            async for chunk in chunks:
                if time.monotonic() > deadline:
                    raise BadAnswer(f"GET {self._path} took longer than {self._max_seconds:g} s")
                self._n_bytes += len(chunk)
                if self._n_bytes > self._max_bytes:
                    raise BadAnswer(
                        f"GET {self._path} is longer than the {self._max_bytes} bytes "
                        "that are accepted"
                    )
                self._digest.update(chunk)
                self._sink.write(chunk)


async def download_to(
    session: Session,
    path: str,
    target: Path,
    *,
    max_bytes: int,
    max_seconds: float = math.inf,
    sha256: str | None = None,
) -> str:
    """`download` into a file that appears whole or not at all."""
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("xb") as sink:
            digest = await download(
                session, path, sink, max_bytes=max_bytes, max_seconds=max_seconds, sha256=sha256
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return digest


def _keep_strong(tag: str) -> str:
    """A strong entity tag; empty for a weak one, which names no bytes."""
    return tag if tag.startswith('"') else ""


def _read_sha256(etag: str) -> str | None:
    """The digest that an entity tag is, if it is one."""
    tag = etag.strip('"')
    return tag if len(tag) == 64 and _HEX.issuperset(tag) else None


async def follow_events(
    session: Session, path: str, job_path: str, *, after: int
) -> AsyncGenerator[Event]:
    """A job's events after number `after`, as they happen, up to and with its last: each exactly
    once, in order.

    A connection that ends or breaks before the last event is opened again with `Last-Event-ID`. It
    gives up after as many failures in a row as the policy allows; an event, or a connection that
    lived for a while, ends the row.
    """
    policy = replace(session.policy, n_attempts=session.policy.n_follow_attempts)
    last_id = after
    failures = 0
    n_empty = 0
    while True:
        opened_at = time.monotonic()
        first_id = last_id
        is_over = False
        try:
            async with aclosing(_connect(session, path, last_id)) as events:
                async for event in events:
                    last_id = event.id
                    failures = 0
                    is_over = event.type == LAST_EVENT
                    yield event
        except HyperAdamError as error:
            lived_seconds = time.monotonic() - opened_at
            failures = 1 if lived_seconds >= policy.healthy_seconds else failures + 1
            delay = policy.delay_seconds(error, failures)
            if delay is None:
                raise
        else:
            if is_over:  # an end that was followed by a retry is not the stream's
                return
            n_empty = n_empty + 1 if last_id == first_id else 0
            if n_empty:
                has_ended = await _has_ended(session, job_path)
                if has_ended and n_empty > 1:
                    return
            delay = policy.backoff_seconds(n_empty + 1)
        await session.wire.sleep(delay)


async def _has_ended(session: Session, job_path: str) -> bool:
    job = await session.get(Job, job_path)
    return job.ended


async def _connect(session: Session, path: str, last_id: int) -> AsyncGenerator[Event]:
    """The events of one connection; what it repeats is left out, and a gap is a broken
    connection."""
    headers = {"Accept": "text/event-stream"}
    if last_id:
        headers["Last-Event-ID"] = str(last_id)
    opened = session.open(path, headers=headers, timeout=QUIET_SECONDS)
    async with opened as response, aclosing(session.wire.read_server_events(response)) as events:
        async for message in events:
            if not message.data:
                continue
            event = decode(Event, _read_payload(message), "event")
            if event.id <= last_id:
                continue
            if event.id != last_id + 1:
                raise ServerUnreachable(
                    f"event {last_id + 1} of {path} is missing from the stream", maybe_done=True
                )
            last_id = event.id
            yield event


def _read_payload(message: httpx2.ServerSentEvent) -> object:
    try:
        return read_answer_json(message.data.encode("utf-8", "surrogatepass"))
    except StrictJSONError as error:
        raise BadAnswer(f"event {message.id!r} is not JSON") from error

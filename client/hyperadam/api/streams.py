"""Bodies that arrive piece by piece: files, checked by their digest, and the live events of a
job."""

from __future__ import annotations

import hashlib
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
from hyperadam.api.session import Session

LAST_EVENT: Final = "job.ended"
QUIET_SECONDS: Final = 60.0
"""A live stream that sends nothing for so long, not even a comment, is taken for broken."""
_HEX: Final = frozenset("0123456789abcdef")


async def download(
    session: Session, path: str, sink: BinaryIO, *, max_bytes: int, sha256: str | None = None
) -> str:
    """Write a body into `sink`. One that breaks off goes on where it broke, if it is still the same
    content (a strong `ETag` says so); one that arrives damaged is fetched again.

    Returns: its digest, which equals `sha256`, where that is given, or else the strong `ETag` where
    that is a digest.

    Raises:
        DamagedDownload: the digest differs, after all retries.
        BadAnswer: it is longer than `max_bytes`.
    """
    transfer = _Transfer(session, path, sink, max_bytes, sha256)
    return await session.retried(transfer.attempt)


class _Transfer:
    """A body on its way into a sink, over as many connections as it takes."""

    def __init__(
        self, session: Session, path: str, sink: BinaryIO, max_bytes: int, sha256: str | None
    ) -> None:
        self._session, self._path, self._sink = session, path, sink
        self._max_bytes, self._expected = max_bytes, sha256
        self._etag = ""
        self._restart()

    def _restart(self) -> None:
        self._sink.seek(0)
        self._sink.truncate()
        self._digest, self._n_bytes = hashlib.sha256(), 0

    async def attempt(self) -> str:
        """Receive what is missing; the digest of the whole."""
        headers = {"Accept-Encoding": "identity"}  # a range is one of these very bytes
        if self._n_bytes and self._etag:
            headers |= {"Range": f"bytes={self._n_bytes}-", "If-Range": self._etag}
        async with self._session.open(self._path, headers=headers) as response:
            if response.status_code != httpx2.codes.PARTIAL_CONTENT or not self._continues(
                response
            ):
                self._restart()
            self._etag = _strong(str(response.headers.get("etag", "")))
            await self._receive(response)
        expected = self._expected or _sha256_of(self._etag)
        if expected is not None and self._digest.hexdigest() != expected:
            message = f"GET {self._path}: {self._n_bytes} bytes arrived with sha256 {self._digest.hexdigest()}"
            self._restart()
            raise DamagedDownload(f"{message}, expected {expected}")
        return self._digest.hexdigest()

    def _continues(self, response: httpx2.Response) -> bool:
        """Whether a partial answer begins where the last one ended.

        Raises:
            DamagedDownload: it does not; the next attempt begins anew.
        """
        if str(response.headers.get("content-range", "")).startswith(f"bytes {self._n_bytes}-"):
            return True
        self._restart()
        raise DamagedDownload(
            f"GET {self._path}: another part arrived than the one that was asked for"
        )

    async def _receive(self, response: httpx2.Response) -> None:
        async with aclosing(self._session.wire.chunks(response)) as chunks:
            async for chunk in chunks:
                self._n_bytes += len(chunk)
                if self._n_bytes > self._max_bytes:
                    raise BadAnswer(
                        f"GET {self._path} is longer than the {self._max_bytes} bytes that are accepted"
                    )
                self._digest.update(chunk)
                self._sink.write(chunk)


async def download_to(
    session: Session, path: str, target: Path, *, max_bytes: int, sha256: str | None = None
) -> str:
    """`download` into a file that appears whole or not at all."""
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("xb") as sink:
            digest = await download(session, path, sink, max_bytes=max_bytes, sha256=sha256)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return digest


def _strong(tag: str) -> str:
    """A strong entity tag; empty for a weak one, which names no bytes."""
    return tag if tag.startswith('"') else ""


def _sha256_of(etag: str) -> str | None:
    tag = etag.strip('"')
    return tag if len(tag) == 64 and _HEX.issuperset(tag) else None


async def follow(
    session: Session, path: str, job_path: str, *, after: int
) -> AsyncGenerator[Event]:
    """A job's events after number `after`, as they happen, up to and with its last: each exactly
    once, in order.

    A connection that ends or breaks before the last event is opened again with `Last-Event-ID`. It
    gives up after as many failures in a row as the policy allows; an event, or a connection that
    lived for a while, ends the row.
    """
    policy = replace(session.policy, n_attempts=session.policy.n_follow_attempts)
    last_id, failures, n_empty = after, 0, 0
    while True:
        opened_at, first_id, is_over = time.monotonic(), last_id, False
        try:
            async with aclosing(_connection(session, path, last_id)) as events:
                async for event in events:
                    last_id, failures, is_over = event.id, 0, event.type == LAST_EVENT
                    yield event
        except HyperAdamError as error:
            if time.monotonic() - opened_at >= policy.healthy_seconds:
                failures = 0
            failures += 1
            delay = policy.delay_seconds(error, failures)
            if delay is None:
                raise
        else:
            if is_over:  # an end that was followed by a retry is not the stream's
                return
            n_empty = n_empty + 1 if last_id == first_id else 0
            if n_empty and (await session.get(Job, job_path)).ended and n_empty > 1:
                return
            delay = policy.backoff_seconds(n_empty + 1)
        await session.wire.sleep(delay)


async def _connection(session: Session, path: str, last_id: int) -> AsyncGenerator[Event]:
    """The events of one connection; what it repeats is left out, and a gap is a broken
    connection."""
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(last_id)} if last_id else {})
    opened = session.open(path, headers=headers, timeout=QUIET_SECONDS)
    async with opened as response, aclosing(session.wire.server_events(response)) as events:
        async for message in events:
            if not message.data:
                continue
            event = decode(Event, _payload(message), "event")
            if event.id <= last_id:
                continue
            if event.id != last_id + 1:
                raise ServerUnreachable(
                    f"event {last_id + 1} of {path} is missing from the stream", maybe_done=True
                )
            last_id = event.id
            yield event


def _payload(message: httpx2.ServerSentEvent) -> object:
    try:
        return message.json()
    except (ValueError, RecursionError) as error:
        raise BadAnswer(f"event {message.id!r} is not JSON") from error

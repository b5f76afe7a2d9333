"""Bodies that arrive piece by piece: files, checked by their digest, and the live events of a job."""

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


async def download(session: Session, path: str, sink: BinaryIO, *, max_bytes: int, sha256: str | None = None) -> str:
    """Write a body into `sink`, again from its beginning when it breaks off or arrives damaged.

    Returns: its digest, which equals `sha256`, where that is given, or else the strong `ETag` where that is a digest.

    Raises:
        DamagedDownload: the digest differs, after all retries.
        BadAnswer: it is longer than `max_bytes`.
    """

    async def once() -> str:
        sink.seek(0)
        sink.truncate()
        digest, n_bytes = hashlib.sha256(), 0
        async with session.open(path) as response, aclosing(session.wire.chunks(response)) as chunks:
            expected = sha256 or _announced_sha256(response)
            async for chunk in chunks:
                n_bytes += len(chunk)
                if n_bytes > max_bytes:
                    raise BadAnswer(f"GET {path} is longer than the {max_bytes} bytes that are accepted")
                digest.update(chunk)
                sink.write(chunk)
        if expected is not None and digest.hexdigest() != expected:
            raise DamagedDownload(
                f"GET {path}: {n_bytes} bytes arrived with sha256 {digest.hexdigest()}, expected {expected}"
            )
        return digest.hexdigest()

    return await session.retried(once)


async def download_to(session: Session, path: str, target: Path, *, max_bytes: int, sha256: str | None = None) -> str:
    """`download` into a file that appears whole or not at all."""
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("xb") as sink:
            digest = await download(session, path, sink, max_bytes=max_bytes, sha256=sha256)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return digest


def _announced_sha256(response: httpx2.Response) -> str | None:
    tag = str(response.headers.get("etag", "")).strip('"')
    return tag if len(tag) == 64 and _HEX.issuperset(tag) else None


async def follow(session: Session, path: str, job_path: str, *, after: int) -> AsyncGenerator[Event]:
    """A job's events after number `after`, as they happen, up to and with its last: each exactly once, in order.

    A connection that ends or breaks before the last event is opened again with `Last-Event-ID`. It gives up after as
    many failures in a row as the policy allows; an event, or a connection that lived for a while, ends the row.
    """
    policy = replace(session.policy, n_attempts=session.policy.n_follow_attempts)
    last_id, failures, n_empty = after, 0, 0
    while True:
        opened_at, first_id = time.monotonic(), last_id
        try:
            async with aclosing(_connection(session, path, last_id)) as events:
                async for event in events:
                    last_id, failures = event.id, 0
                    yield event
                    if event.type == LAST_EVENT:
                        return
        except HyperAdamError as error:
            if time.monotonic() - opened_at >= policy.healthy_seconds:
                failures = 0
            failures += 1
            delay = policy.delay_seconds(error, failures)
            if delay is None:
                raise
        else:
            n_empty = n_empty + 1 if last_id == first_id else 0
            if n_empty and (await session.get(Job, job_path)).ended and n_empty > 1:
                return
            delay = policy.backoff_seconds(n_empty + 1)
        await session.wire.sleep(delay)


async def _connection(session: Session, path: str, last_id: int) -> AsyncGenerator[Event]:
    """The events of one connection; what it repeats is left out, and a gap is a broken connection."""
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
                raise ServerUnreachable(f"event {last_id + 1} of {path} is missing from the stream", maybe_done=True)
            last_id = event.id
            yield event


def _payload(message: httpx2.ServerSentEvent) -> object:
    try:
        return message.json()
    except (ValueError, RecursionError) as error:
        raise BadAnswer(f"event {message.id!r} is not JSON") from error

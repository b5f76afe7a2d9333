"""Files that arrive piece by piece, checked by their digest."""

from __future__ import annotations

import hashlib
import math
import time
import uuid
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO, Final

import httpx2

from hyperadam.api.errors import BadAnswer, DamagedDownload
from hyperadam.api.session import Session

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

"""The body of an upload, streamed into a file that has no name: neither memory nor a slow client is
without bounds."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, Final

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from meta_trainer.datasets.array_files import MAX_FILE_BYTES
from services.problems import BadRequest, TooLarge

BODY_SECONDS: Final = 600.0
"""The bytes of a file must arrive in so much time."""


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file that arrived whole."""

    file: IO[bytes]
    n_bytes: int
    sha256: str

    def read(self) -> bytes:
        self.file.seek(0)
        return self.file.read()


@asynccontextmanager
async def receive_file(request: Request) -> AsyncIterator[Upload]:
    """The body of a request, while the context lasts.

    Raises:
        Problem: 400 where it does not arrive in time, 413 where it is too long.
    """
    with tempfile.TemporaryFile() as file:
        digest = hashlib.sha256()
        n_bytes = 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in request.stream():
                    n_bytes += len(chunk)
                    if n_bytes > MAX_FILE_BYTES:
                        raise TooLarge(f"A dataset has at most {MAX_FILE_BYTES} bytes.")
                    digest.update(chunk)
                    await run_in_threadpool(file.write, chunk)
        except TimeoutError:
            raise BadRequest(f"The body did not arrive within {BODY_SECONDS:g} seconds.") from None
        yield Upload(file=file, n_bytes=n_bytes, sha256=digest.hexdigest())

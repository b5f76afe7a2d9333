"""Pages and what they load: read once from a package, served with an entity tag; any other name is no file.

Everything comes from this very server: the policy lets a page load nothing from elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Annotated, Final

from fastapi import Header, Response

MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

IfNoneMatch = Annotated[str, Header()]


@dataclass(frozen=True, kw_only=True)
class StaticFile:
    data: bytes
    media_type: str
    etag: str

    def answer(self, policy: str, if_none_match: str) -> Response:
        """The file under a `Content-Security-Policy`, or 304 for a client that has it."""
        headers = {**HEADERS, "Content-Security-Policy": policy, "ETag": self.etag}
        if self.etag in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(self.data, headers=headers, media_type=self.media_type)


def read(entries: Iterable[Traversable]) -> dict[str, StaticFile]:
    """Name → file, of those whose suffix has a media type here."""
    found = {}
    for entry in entries:
        suffix = "." + entry.name.rpartition(".")[2]
        if suffix in MEDIA_TYPES:
            data = entry.read_bytes()
            etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
            found[entry.name] = StaticFile(data=data, media_type=MEDIA_TYPES[suffix], etag=etag)
    return found

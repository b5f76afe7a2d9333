"""Serves the dashboard's files, read once from the package: a name that is not one of them is no file at all."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Final

from fastapi import APIRouter, Header, Response

from services.problems import NotFound

PAGE: Final = "index.html"
MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter(include_in_schema=False)

IfNoneMatch = Annotated[str, Header()]


@dataclass(frozen=True, kw_only=True)
class StaticFile:
    data: bytes
    media_type: str
    etag: str


@cache
def files() -> dict[str, StaticFile]:
    """Name → file, of everything in the package's folder `static`."""
    folder = resources.files("services.dashboard") / "static"
    found = {}
    for entry in folder.iterdir():
        suffix = "." + entry.name.rpartition(".")[2]
        if suffix in MEDIA_TYPES:
            data = entry.read_bytes()
            etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
            found[entry.name] = StaticFile(data=data, media_type=MEDIA_TYPES[suffix], etag=etag)
    return found


@router.get("/")
async def page(if_none_match: IfNoneMatch = "") -> Response:
    """The page."""
    return _answer(files()[PAGE], if_none_match)


@router.get("/dashboard/{name}")
async def static_file(name: str, if_none_match: IfNoneMatch = "") -> Response:
    """One of the files that the page loads."""
    if name not in files():
        raise NotFound("the dashboard has no such file")
    return _answer(files()[name], if_none_match)


def _answer(file: StaticFile, if_none_match: str) -> Response:
    headers = HEADERS | {"ETag": file.etag}
    if file.etag in if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(file.data, headers=headers, media_type=file.media_type)

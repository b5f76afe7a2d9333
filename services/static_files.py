"""Pages and what they load: read once from a package, served with an entity tag.

Any other name is no file. Everything comes from this very server: the policy lets a page load
nothing from elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Annotated, Final

from fastapi import APIRouter, Header, Response

from services.page_headers import HEADERS
from services.problems import NotFound

MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".png": "image/png",
    ".webp": "image/webp",
    ".xml": "application/xml",
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


def read_files(entries: Iterable[Traversable], below: str = "") -> dict[str, StaticFile]:
    """Name → file, of those whose suffix has a media type here; folders with all that is in them.

    Args:
        below: what the names begin with.
    """
    files: dict[str, StaticFile] = {}
    for entry in entries:
        if entry.is_dir():
            files |= read_files(entry.iterdir(), f"{below}{entry.name}/")
            continue
        suffix = "." + entry.name.rpartition(".")[2]
        if suffix not in MEDIA_TYPES:
            continue

        data = entry.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        files[below + entry.name] = StaticFile(
            data=data, media_type=MEDIA_TYPES[suffix], etag=f'"{digest[:32]}"'
        )
    return files


def make_router(
    load_files: Callable[[], Mapping[str, StaticFile]],
    *,
    page: str,
    at: str,
    folder: str,
    policy: str,
    missing: str,
) -> APIRouter:
    """A router for one page and what it loads.

    Args:
        load_files: gives the files by name; called only when a request comes.
        page: the name of the page's own file.
        at: the path of the page.
        folder: the path below which all files are.
        policy: the `Content-Security-Policy` of all of them.
        missing: what to say where there is no such file.
    """
    router = APIRouter(include_in_schema=False)

    @router.get(at)
    async def show_page(if_none_match: IfNoneMatch = "") -> Response:
        return load_files()[page].answer(policy, if_none_match)

    @router.get(f"{folder}/{{name:path}}")
    async def send_file(name: str, if_none_match: IfNoneMatch = "") -> Response:
        files = load_files()
        if name not in files:
            raise NotFound(missing)
        return files[name].answer(policy, if_none_match)

    return router

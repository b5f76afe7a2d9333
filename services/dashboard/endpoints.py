"""Serves the dashboard's files."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from fastapi import APIRouter, Response

from services.problems import NotFound
from services.static_files import IfNoneMatch, StaticFile, read

PAGE: Final = "index.html"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


@cache
def files() -> dict[str, StaticFile]:
    """Name → file, of everything in the package's folder `static`."""
    return read((resources.files("services.dashboard") / "static").iterdir())


@router.get("/")
async def page(if_none_match: IfNoneMatch = "") -> Response:
    """The page."""
    return files()[PAGE].answer(POLICY, if_none_match)


@router.get("/dashboard/{name}")
async def static_file(name: str, if_none_match: IfNoneMatch = "") -> Response:
    """One of the files that the page loads."""
    if name not in files():
        raise NotFound("the dashboard has no such file")
    return files()[name].answer(POLICY, if_none_match)

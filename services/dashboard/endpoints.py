"""Serves the dashboard's files."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from services.static_files import StaticFile, pages, read

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@cache
def files() -> dict[str, StaticFile]:
    """Name → file, of everything in the package's folder `static`."""
    return read((resources.files("services.dashboard") / "static").iterdir())


router = pages(
    files,
    page="index.html",
    at="/",
    folder="/dashboard",
    policy=POLICY,
    missing="the dashboard has no such file",
)

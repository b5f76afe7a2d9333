"""Serves the dashboard's files."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from services.static_files import StaticFile, make_router, read_files

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@cache
def load_files() -> dict[str, StaticFile]:
    """Name → file, of everything in the package's folder `static`."""
    folder = resources.files("services.dashboard") / "static"
    return read_files(folder.iterdir())


router = make_router(
    load_files,
    page="index.html",
    at="/",
    folder="/dashboard",
    policy=POLICY,
    missing="the dashboard has no such file",
)

"""Serves Swagger UI over `/openapi.json`: its two files and a page of ours.

The two files come with the package fastapi-offline, and are all that is taken from it. They are the
ones of swagger-ui-dist, which a test holds them against.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from services.static_files import StaticFile, make_router, read_files

SWAGGER_UI: Final = ("swagger-ui-bundle.js", "swagger-ui.css")
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI sets styles of its elements; scripts are those of this server alone."""


@cache
def load_files() -> dict[str, StaticFile]:
    """Name → file: our page and its script, and Swagger UI."""
    package = resources.files("fastapi_offline") / "static"
    swagger_ui = [package / name for name in SWAGGER_UI]
    folder = resources.files("services.reference") / "static"
    return read_files([*swagger_ui, *folder.iterdir()])


router = make_router(
    load_files,
    page="reference.html",
    at="/docs",
    folder="/docs",
    policy=POLICY,
    missing="the reference has no such file",
)

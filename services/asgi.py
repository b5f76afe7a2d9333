"""Layers around the whole application, outside of the framework's own.

`add_middleware` puts a layer inside of those.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from starlette.types import ASGIApp


def wrap_outermost(app: FastAPI, layer: Callable[[ASGIApp], ASGIApp]) -> None:
    """Put a layer around all that is there so far, the framework's error and body limits too."""
    build_inner_stack = app.build_middleware_stack

    def build_stack() -> ASGIApp:
        return layer(build_inner_stack())

    app.build_middleware_stack = build_stack  # type: ignore[method-assign]

"""Layers around the whole application, outside of the framework's own (which `add_middleware`
cannot reach)."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from starlette.types import ASGIApp


def wrap_outermost(app: FastAPI, layer: Callable[[ASGIApp], ASGIApp]) -> None:
    """Put a layer around everything that is there so far, the framework's error and body limits
    included."""
    inner = app.build_middleware_stack

    def build() -> ASGIApp:
        return layer(inner())

    app.build_middleware_stack = build  # type: ignore[method-assign]

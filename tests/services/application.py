"""The application of the service for tests that only send it requests: its routes are made once."""

from __future__ import annotations

from fastapi import FastAPI

from services.app import create_app
from services.container import Container

_applications: dict[tuple[int, int], FastAPI] = {}


def share_application(services: Container, process: int = 0) -> FastAPI:
    """The real application over these parts, and over no others until it is shared again.

    To make its routes takes longer than most tests. Its metrics are those of all tests of the
    process, and it sends no traces: tests of these make an application of their own.

    Args:
        process: of several processes of one service, which.
    """
    assert not services.settings.trace_endpoint
    limit_bytes = services.settings.max_body_bytes
    key = (limit_bytes, process)
    if key not in _applications:
        _applications[key] = create_app(services)
    application = _applications[key]
    application.state.services = services
    return application

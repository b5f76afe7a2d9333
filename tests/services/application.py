"""The application of the service for tests that only send it requests: its routes are made once."""

from __future__ import annotations

from fastapi import FastAPI

from services.app import create_app
from services.container import Container

_applications: dict[int, FastAPI] = {}


def share_application(services: Container) -> FastAPI:
    """The real application over these parts, and over no others until it is shared again.

    To make its routes takes longer than most tests. Its metrics are those of all tests of the
    process, and it sends no traces: tests of these make an application of their own.
    """
    assert not services.settings.trace_endpoint
    limit_bytes = services.settings.max_body_bytes
    if limit_bytes not in _applications:
        _applications[limit_bytes] = create_app(services)
    application = _applications[limit_bytes]
    application.state.services = services
    return application

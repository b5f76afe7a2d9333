"""An application of the test's own: its counters begin at 0, and its figures are of one store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from services.app import create_app
from services.container import Container


@pytest.fixture
def client(services: Container) -> Iterator[TestClient]:
    """With a key that may do everything."""
    key = services.api_keys.create("tester", ["admin"]).key
    headers = {"Authorization": f"Bearer {key}"}
    with TestClient(create_app(services), headers=headers) as client:
        yield client

"""A service that knows an issuer, with two projects and a group for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from services.container import Container
from services.settings import Settings
from tests.services.application import share_application
from tests.services.oidc.issuer import TestIssuer, run_issuer


@pytest.fixture
def issuer() -> Iterator[TestIssuer]:
    with run_issuer() as issuer:
        yield issuer


@pytest.fixture
def settings(tmp_path: Path, database_url: str, issuer: TestIssuer) -> Settings:
    return issuer.make_settings(tmp_path, database_url)


@pytest.fixture
def visitor(services: Container, client: TestClient) -> Iterator[TestClient]:
    """Somebody without a key; the projects of the groups are there."""
    for project in ("red", "blue"):
        assert client.post("/v1/projects", json={"name": project}).status_code == 201
    with TestClient(share_application(services)) as visitor:
        yield visitor

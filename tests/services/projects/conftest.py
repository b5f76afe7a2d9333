"""Two projects with keys, jobs and optimizers of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from services.container import Container
from tests.registry.thetas import make_theta
from tests.services.oidc.issuer import TestIssuer, bearer

BINARY = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True)
class Team:
    """A project, as who holds one of its keys."""

    client: TestClient
    project: str
    headers: dict[str, str]

    def ask(self, method: str, path: str, **more: Any) -> Response:
        headers = {**self.headers, **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)

    def submit(self, kind: str = "meta-training", **spec: Any) -> Response:
        body = {"kind": kind, "spec": spec or {"preset": "quick"}}
        return self.ask("POST", "/v1/jobs", json={**body, "name": f"secret of {self.project}"})

    def upload(self, name: str, seed: int = 1) -> Response:
        data = make_theta(seed).to_bytes()
        path = f"/v1/optimizers/{name}/versions"
        return self.ask("POST", path, content=data, headers=BINARY)


def make_team_of_issuer(client: TestClient, issuer: TestIssuer, project: str) -> Team:
    """Somebody of the project's group, known by a token."""
    client.post("/v1/projects", json={"name": project})
    token = issuer.sign(sub="somebody", name="Somebody", groups=[f"{project}-team"])
    return Team(client, project, bearer(token))


def make_team(client: TestClient, services: Container, project: str, *scopes: str) -> Team:
    """A key of the project, which is made if there is none yet."""
    client.post("/v1/projects", json={"name": project})
    key = services.api_keys.create("somebody", scopes or ["submit"], project=project).key
    return Team(client, project, {"Authorization": f"Bearer {key}"})


@pytest.fixture
def red(client: TestClient, services: Container) -> Team:
    return make_team(client, services, "red")


@pytest.fixture
def blue(client: TestClient, services: Container) -> Team:
    return make_team(client, services, "blue")

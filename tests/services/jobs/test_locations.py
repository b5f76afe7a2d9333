"""Where a new thing is, told so that it is right below any path of a proxy."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from registry.memory import InMemoryRegistry
from tests.services.studies.test_studies import add_trial, submit

JOB = {"kind": "meta-training", "spec": {"preset": "quick"}}


def locate(answer: Response, prefix: str) -> str:
    """The path that a client finds which reached the service below a prefix."""
    assert answer.status_code == 201, answer.text
    location = str(answer.headers["Location"])
    assert not location.startswith("/")
    request = f"http://proxy{prefix}{answer.request.url.path}"
    return urljoin(request, location).removeprefix(f"http://proxy{prefix}")


@pytest.mark.parametrize("prefix", ["", "/hyperadam/api"])
def test_locations_lead_to_what_was_made(
    client: TestClient, registry: InMemoryRegistry, prefix: str
) -> None:
    job = client.post("/v1/jobs", json=JOB)
    assert locate(job, prefix) == f"/v1/jobs/{job.json()['id']}"

    clone = client.post(f"/v1/jobs/{job.json()['id']}/clone", json={})
    assert locate(clone, prefix) == f"/v1/jobs/{clone.json()['id']}"

    study = submit(client)
    client.patch(f"/v1/jobs/{study}/study", json={"trials": 9})  # opens the run
    add_trial(registry, study, with_theta=True)
    version = client.post(f"/v1/jobs/{study}/trials/0/version", json={"optimizer": "mine"})
    assert locate(version, prefix) == "/v1/optimizers/mine/versions/1"

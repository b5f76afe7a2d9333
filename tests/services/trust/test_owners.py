"""Names have owners: no other team moves `latest`, rewrites what is said, or adds evidence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry.memory import InMemoryRegistry
from services.container import Container
from services.optimizers.owners import find_belonging
from tests.registry.thetas import make_theta
from tests.services.support import Stage

BINARY = {"Content-Type": "application/octet-stream"}
Headers = dict[str, str]


@pytest.fixture
def alice(services: Container) -> Headers:
    return {"Authorization": f"Bearer {services.api_keys.create('alice', ['submit']).key}"}


@pytest.fixture
def bob(services: Container) -> Headers:
    return {"Authorization": f"Bearer {services.api_keys.create('bob', ['submit']).key}"}


def upload(stage: Stage, headers: Headers, name: str, seed: int = 1) -> int:
    data = make_theta(seed).to_bytes()
    path = f"/v1/optimizers/{name}/versions"
    return int(stage.client.post(path, content=data, headers={**BINARY, **headers}).status_code)


def train(stage: Stage, headers: Headers, **spec: Any) -> Any:
    body = {"kind": "meta-training", "spec": spec}
    return stage.client.post("/v1/jobs", json=body, headers=headers)


def test_no_other_team_moves_latest(stage: Stage, alice: Headers, bob: Headers) -> None:
    assert upload(stage, alice, "mine") == 201
    assert upload(stage, bob, "mine", seed=2) == 403
    refused = train(stage, bob, preset="quick", register_as="mine")
    assert (refused.status_code, "belongs to 'alice'" in refused.json()["detail"]) == (403, True)
    assert train(stage, alice, preset="quick", register_as="mine").status_code == 201
    assert upload(stage, {}, "mine", seed=2) == 201  # an admin's
    assert stage.client.get("/v1/optimizers/mine").json()["owner"] == "alice"


def test_a_submission_claims_its_name(stage: Stage, alice: Headers, bob: Headers) -> None:
    assert train(stage, alice, register_as="ours").status_code == 201
    assert upload(stage, bob, "ours") == 403


def test_the_names_of_toys_are_everybodys(stage: Stage, alice: Headers, bob: Headers) -> None:
    for headers in (alice, bob):
        assert train(stage, headers, preset="quick").status_code == 201


def test_what_is_said_of_anothers_version_stays(stage: Stage, alice: Headers, bob: Headers) -> None:
    assert upload(stage, alice, "mine") == 201
    path = "/v1/optimizers/mine/versions/1"
    change = {"description": "bad", "tags": {"stage": "retired"}}
    assert stage.client.patch(path, json=change, headers=bob).status_code == 403
    assert stage.client.patch(path, json=change, headers=alice).status_code == 200
    forged = {"tags": {"uploaded_by": "bob"}}
    assert stage.client.patch(path, json=forged, headers=alice).status_code == 422


def test_a_name_is_handed_over_by_admins_alone(stage: Stage, alice: Headers, bob: Headers) -> None:
    assert upload(stage, alice, "mine") == 201
    path = "/v1/optimizers/mine/owner"
    body = {"owner": "bob"}
    assert stage.client.put(path, json=body, headers=bob).status_code == 403
    assert stage.client.put(path, json=body).json() == {"name": "mine", "owner": "bob"}
    assert upload(stage, bob, "mine", seed=2) == 201
    assert upload(stage, alice, "mine", seed=3) == 403


def test_a_name_from_before_is_its_makers(
    services: Container, registry: InMemoryRegistry, stage: Stage, bob: Headers
) -> None:
    tags = {"source": "upload", "uploaded_by": "alice"}
    registry.create_version("old", make_theta(), key="k", tags=tags)
    belonging = find_belonging(services.database, registry, "old")
    assert belonging is not None
    assert belonging.owner == "alice"
    assert upload(stage, bob, "old", seed=2) == 403


def test_an_evaluation_adds_evidence_to_own_versions_alone(
    stage: Stage, registry: InMemoryRegistry, alice: Headers, bob: Headers
) -> None:
    assert upload(stage, alice, "mine") == 201
    assert upload(stage, bob, "theirs", seed=2) == 201
    body = {"kind": "evaluation", "spec": {"optimizers": ["mine@1", "theirs@1"]}}
    answer = stage.client.post("/v1/jobs", json=body, headers=bob)
    assert answer.status_code == 201, answer.text
    job = answer.json()["id"]
    stage.tick(2)
    order = json.loads(registry.get_artifact(stage.run_id(job), "job.json"))
    assert order["attach_to"] == ["theirs"]

"""A protected alias has a policy of its own, and rights are asked again when a job acts."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from meta_trainer.driver.permission import answer_path, ask_for_promotion, question_path
from meta_trainer.training.result import Stopped
from registry.memory import InMemoryRegistry
from services.auth.tables import ApiKey
from services.container import Container
from services.database.base import now
from tests.registry.thetas import make_theta
from tests.services.support import Stage, list_error_fields

STRICT = {"if_better_on": "table1", "quick": False, "by_standard_errors": 3.0, "seed": 7}
ALIAS = "/v1/optimizers/mine/aliases/champion"


@pytest.fixture
def registry() -> InMemoryRegistry:
    registry = InMemoryRegistry()
    registry.create_version("mine", make_theta(), key="k", tags={"uploaded_by": "alice"})
    return registry


@pytest.fixture
def alice(services: Container) -> dict[str, str]:
    return {"Authorization": f"Bearer {services.api_keys.create('alice', ['submit']).key}"}


def protect(stage: Stage, **rule: Any) -> Any:
    body = {"version": 1, "protected": True, "rule": {**STRICT, **rule}}
    return stage.client.put(ALIAS, json=body)


def submit(stage: Stage, headers: dict[str, str] | None = None, **promote: Any) -> Any:
    spec = {"preset": "quick", "register_as": "mine", "promote": promote}
    body = {"kind": "meta-training", "spec": spec}
    return stage.client.post("/v1/jobs", json=body, headers=headers)


def test_the_alias_own_rule_decides_whoever_asks(stage: Stage, alice: dict[str, str]) -> None:
    assert protect(stage).status_code == 200
    [item] = stage.client.get("/v1/optimizers/mine/aliases").json()["items"]
    assert item["rule"] == STRICT
    taken = submit(stage, alice)
    assert taken.json()["spec"]["promote"] == {"alias": "champion", **STRICT}
    for headers in (alice, None):
        refused = submit(stage, headers, by_standard_errors=0)
        assert list_error_fields(refused) == ["spec.promote.by_standard_errors"]
    assert submit(stage, alice, seed=7).status_code == 201


def test_a_rule_changes_without_a_move_and_ends_with_the_protection(stage: Stage) -> None:
    assert protect(stage).status_code == 200
    assert protect(stage, seed=8).status_code == 200
    [item] = stage.client.get("/v1/optimizers/mine/aliases").json()["items"]
    assert (item["protected"], item["rule"]["seed"]) == (True, 8)
    assert stage.client.put(ALIAS, json={"version": 1, "protected": False}).status_code == 200
    [item] = stage.client.get("/v1/optimizers/mine/aliases").json()["items"]
    assert (item["protected"], item["rule"]) == (False, None)
    refused = stage.client.put(ALIAS, json={"version": 1, "rule": STRICT})
    assert list_error_fields(refused) == ["rule"]


def ask(stage: Stage, job: str) -> dict[str, Any]:
    """What the driver is answered that asks whether it may move the alias."""
    stage.registry.put_artifact(stage.run_id(job), question_path(1), b"{}")
    stage.tick()
    answer: dict[str, Any] = json.loads(
        stage.registry.get_artifact(stage.run_id(job), answer_path(1))
    )
    return answer


def test_rights_are_asked_again_when_the_job_acts(
    stage: Stage, services: Container, alice: dict[str, str]
) -> None:
    protect(stage)
    job = submit(stage, alice).json()["id"]
    stage.tick(2)
    order = json.loads(stage.registry.get_artifact(stage.run_id(job), "job.json"))
    assert order["asks"] is True
    assert ask(stage, job) == {"allowed": True, "why": None}


@pytest.mark.parametrize("change", ["revoked", "expired", "stricter", "unprotected", "other owner"])
def test_a_right_that_was_lost_meanwhile_is_refused(
    stage: Stage, services: Container, alice: dict[str, str], change: str
) -> None:
    protect(stage)
    job = submit(stage, alice).json()["id"]
    stage.tick(2)
    key = next(key for key in services.api_keys.list() if key.name == "alice")
    if change == "revoked":
        services.api_keys.revoke(key.id)
    elif change == "expired":
        with services.database.write() as session:
            moment = now() - timedelta(seconds=1)
            query = update(ApiKey).where(ApiKey.id == key.id)
            session.execute(query.values(expires_at=moment))
    elif change == "stricter":
        protect(stage, by_standard_errors=4.0)
    elif change == "unprotected":
        stage.client.put(ALIAS, json={"version": 1, "protected": False})
    else:
        stage.client.put("/v1/optimizers/mine/owner", json={"owner": "bob"})
    answer = ask(stage, job)
    assert (answer["allowed"], bool(answer["why"])) == (False, True)


def test_a_driver_waits_for_the_answer(registry: InMemoryRegistry) -> None:
    run_id = registry.open_run("job_1", name="job")
    with pytest.raises(Stopped):
        ask_for_promotion(registry, run_id, 1, lambda: True)
    answer = json.dumps({"allowed": False, "why": "its key was revoked"}).encode()
    registry.put_artifact(run_id, answer_path(1), answer)
    assert ask_for_promotion(registry, run_id, 1, lambda: False) == "its key was revoked"

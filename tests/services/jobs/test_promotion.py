"""Who may ask for a promotion, when a job is submitted."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from registry.memory import InMemoryRegistry
from services.container import Container
from tests.registry.thetas import make_theta


@pytest.fixture
def registry() -> InMemoryRegistry:
    registry = InMemoryRegistry()
    registry.create_version("hyperadam", make_theta(), key="k", tags={"uploaded_by": "submitter"})
    registry.set_alias("hyperadam", "champion", 1, actor="ann", protected=True)
    registry.set_alias("hyperadam", "stable", 1, actor="ann")
    return registry


@pytest.fixture
def submitter(services: Container) -> dict[str, str]:
    return {"Authorization": f"Bearer {services.api_keys.create('submitter', ['submit']).key}"}


def submit(client: TestClient, headers: dict[str, str] | None = None, **rule: Any) -> Any:
    return client.post(
        "/v1/jobs",
        json={
            "kind": "meta-training",
            "spec": {"preset": "quick", "register_as": "hyperadam", "promote": rule},
        },
        headers=headers,
    )


def test_the_rule_is_completed(client: TestClient) -> None:
    answer = submit(client, alias="champion")
    assert answer.status_code == 201
    assert answer.json()["spec"]["promote"] == {
        "alias": "champion",
        "if_better_on": "table1",
        "quick": False,
        "by_standard_errors": 2.0,
        "seed": 1,
    }


def test_a_submitter_may_ask_for_a_protected_alias_alone(
    client: TestClient, submitter: dict[str, str]
) -> None:
    assert submit(client, submitter, alias="champion").status_code == 201
    for alias in ("stable", "new"):
        refused = submit(client, submitter, alias=alias)
        assert refused.status_code == 403
        assert repr(alias) in refused.json()["detail"]
        assert submit(client, alias=alias).status_code == 201


def test_a_clone_is_checked_too(client: TestClient, submitter: dict[str, str]) -> None:
    original = submit(client, alias="stable").json()["id"]
    assert client.post(f"/v1/jobs/{original}/clone", json={}, headers=submitter).status_code == 403
    assert client.post(f"/v1/jobs/{original}/clone", json={}).status_code == 201


def test_a_quick_suite_moves_no_protected_alias(client: TestClient) -> None:
    answer = submit(client, alias="champion", quick=True)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "spec.promote.quick")
    assert submit(client, alias="stable", quick=True).status_code == 201


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"by_standard_errors": 0}, "spec.promote.by_standard_errors"),
        ({"by_standard_errors": 1.9}, "spec.promote.by_standard_errors"),
        ({"seed": 2}, "spec.promote.seed"),
    ],
)
def test_a_submitter_does_not_choose_how_a_protected_alias_is_won(
    client: TestClient, submitter: dict[str, str], rule: dict[str, Any], field: str
) -> None:
    answer = submit(client, submitter, **rule)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert submit(client, **rule).status_code == 201
    assert submit(client, submitter, by_standard_errors=3).status_code == 201


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"alias": "latest"}, "spec.promote.alias"),
        ({"if_better_on": "timing"}, "spec.promote.if_better_on"),
        ({"by_standard_errors": -1}, "spec.promote.by_standard_errors"),
        ({"margin": 1}, "spec.promote.margin"),
    ],
)
def test_bad_rules_name_the_field(client: TestClient, rule: dict[str, Any], field: str) -> None:
    answer = submit(client, **rule)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (
        422,
        [field],
    )

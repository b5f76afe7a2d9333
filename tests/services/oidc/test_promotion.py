"""A job of a person moves an alias by what the issuer said of the person last."""

from __future__ import annotations

import time
from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.database.base import Database
from tests.registry.thetas import make_theta
from tests.services.oidc.issuer import TestIssuer, bearer
from tests.services.oidc.test_people import BINARY, ask, end_rights
from tests.services.support import Stage
from tests.services.trust import test_alias_policy as policy


def submit(visitor: TestClient, issuer: TestIssuer, stage: Stage) -> str:
    """A job that is about to promote; its optimizer is the person's own."""
    headers = bearer(issuer.sign())
    data = make_theta(1).to_bytes()
    path = "/v1/optimizers/mine/versions"
    made = visitor.post(path, content=data, headers={**headers, **BINARY})
    assert made.status_code == 201
    assert policy.protect(stage).status_code == 200
    answer: Any = policy.submit(stage, headers)
    assert answer.status_code == 201, answer.text
    stage.tick(2)
    return str(answer.json()["id"])


def test_it_may_after_the_token_has_ended(
    visitor: TestClient, issuer: TestIssuer, stage: Stage
) -> None:
    job = submit(visitor, issuer, stage)
    assert policy.ask(stage, job) == {"allowed": True, "why": None}


@pytest.mark.parametrize("change", ["old word", "no group", "other project"])
def test_it_may_not_when_the_rights_are_over(
    visitor: TestClient, issuer: TestIssuer, stage: Stage, database: Database, change: str
) -> None:
    job = submit(visitor, issuer, stage)
    moment = int(time.time())
    match change:
        case "old word":
            end_rights(database)
        case "no group":
            assert ask(visitor, issuer.sign(groups=[], iat=moment)).status_code == 403
        case "other project":
            assert ask(visitor, issuer.sign(groups=["red-team"], iat=moment)).status_code == 200
    answer = policy.ask(stage, job)
    assert answer["allowed"] is False
    expected = "nobody knows" if change == "other project" else "vouched for last by the issuer"
    assert expected in answer["why"]

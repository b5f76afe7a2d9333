"""Rights by group, names that are nobody else's, and what outlives a token."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from services.auth.names import make_person_id, make_person_name
from services.auth.submitters import find_submitter
from services.container import Container
from services.database.base import Database
from services.jobs import queries
from services.jobs.streams import stream_events
from services.oidc.tables import Person
from tests.registry.thetas import make_theta
from tests.services.oidc.issuer import TestIssuer, bearer
from tests.services.support import Stage, list_error_fields

JOB = {"kind": "meta-training", "spec": {"preset": "quick"}}
BINARY = {"Content-Type": "application/octet-stream"}


def ask(visitor: TestClient, token: str, **headers: str) -> Any:
    return visitor.get("/v1/keys/self", headers={**bearer(token), **headers})


def test_nobody_without_a_group(visitor: TestClient, issuer: TestIssuer) -> None:
    for groups in ([], ["unknown"], "unknown"):
        answer = ask(visitor, issuer.sign(groups=groups))
        assert answer.status_code == 403
        assert answer.json()["detail"] == (
            "'Ada Lovelace' is in no group that has rights here: ask the operator for one."
        )
    silent = ask(visitor, issuer.sign(groups=None))
    assert silent.status_code == 403
    assert "no claim 'groups'" in silent.json()["detail"]


def test_groups_add_up(visitor: TestClient, issuer: TestIssuer) -> None:
    token = issuer.sign(groups=["red-team", "blue-guests", "unknown"])
    here = ask(visitor, token).json()
    assert (here["project"], here["scopes"]) == ("blue", ["read"])
    there = ask(visitor, token, **{"HyperAdam-Project": "red"}).json()
    assert (there["project"], there["scopes"]) == ("red", ["read", "submit"])
    listed = visitor.get("/v1/projects", headers=bearer(token)).json()["items"]
    assert [project["name"] for project in listed] == ["blue", "red"]
    both = ask(visitor, issuer.sign(groups=["blue-guests", "blue-team"])).json()
    assert both["scopes"] == ["read", "submit"]
    one = ask(visitor, issuer.sign(groups="blue-team")).json()
    assert one["project"] == "blue"


def test_a_project_that_is_not_seen_cannot_be_chosen(
    visitor: TestClient, issuer: TestIssuer
) -> None:
    answer = ask(visitor, issuer.sign(), **{"HyperAdam-Project": "red"})
    assert answer.status_code == 403


def test_admins_by_group(visitor: TestClient, issuer: TestIssuer) -> None:
    token = issuer.sign(groups=["platform", "blue-guests"])
    answer = ask(visitor, token).json()
    assert answer["scopes"] == ["read", "submit", "admin"]
    assert answer["sees_all"]
    made = visitor.post("/v1/keys", json={"name": "ci"}, headers=bearer(token))
    assert made.status_code == 201
    audit = visitor.get("/v1/audit/requests", headers=bearer(token)).json()["items"]
    assert audit[0]["actor"] == f"{issuer.url} ada"
    assert audit[0]["key_id"] == answer["id"]
    assert audit[0]["actor_full_name"] == "Ada Lovelace"
    assert audit[-1]["actor_full_name"] is None  # of a key


def test_an_id_is_no_keys_and_no_other_persons(issuer: TestIssuer) -> None:
    names = [
        make_person_name(issuer.url, "ada"),
        make_person_name(issuer.url, "Ada"),
        make_person_name("https://other.example.com", "ada"),
        make_person_name("https://other.example.com/x", "ada"),
    ]
    ids = {make_person_id(name) for name in names}
    assert len(ids) == 4
    assert {len(each) for each in ids} == {39}


@pytest.mark.parametrize("name", ["{url} ada", " {url} ada", "HTTPS://x", "http://x"])
def test_no_key_is_named_as_a_person(
    client: TestClient, services: Container, issuer: TestIssuer, name: str
) -> None:
    wanted = name.format(url=issuer.url)
    answer = client.post("/v1/keys", json={"name": wanted})
    assert (answer.status_code, list_error_fields(answer)) == (422, ["name"])
    with pytest.raises(ValueError, match="begin as a URL"):
        services.api_keys.create(wanted, ["read"])


def test_a_key_from_before_keeps_its_name(
    visitor: TestClient, services: Container, issuer: TestIssuer
) -> None:
    key = services.api_keys.create("ada", ["read"])
    with services.database.write() as session:
        session.merge(key.record).name = f"{issuer.url} ada"
    answer = ask(visitor, issuer.sign())
    assert answer.status_code == 403
    assert "An API key is named" in answer.json()["detail"]
    assert ask(visitor, issuer.sign(sub="bob")).status_code == 200


def test_names_belong_to_people(visitor: TestClient, issuer: TestIssuer) -> None:
    data = make_theta(1).to_bytes()

    def upload(subject: str) -> Any:
        headers = {**bearer(issuer.sign(sub=subject, name="Ada")), **BINARY}
        return visitor.post("/v1/optimizers/mine/versions", content=data, headers=headers)

    assert upload("ada").status_code == 201
    assert upload("eve").status_code == 403  # of the same project, and calls herself Ada, too
    assert upload("ada").status_code in {200, 201}


def submit(visitor: TestClient, issuer: TestIssuer, **claims: Any) -> str:
    answer = visitor.post("/v1/jobs", json=JOB, headers=bearer(issuer.sign(**claims)))
    assert answer.status_code == 201, answer.text
    assert answer.json()["actor"] == f"{issuer.url} ada"
    assert answer.json()["actor_full_name"] == "Ada Lovelace"
    return str(answer.json()["id"])


def end_rights(database: Database) -> None:
    with database.write() as session:
        past = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(Person).values(rights_until=past))


def test_a_job_outlives_the_token_of_its_submitter(
    visitor: TestClient, issuer: TestIssuer, stage: Stage
) -> None:
    moment = int(time.time())
    job = submit(visitor, issuer, iat=moment - 600, exp=moment - 20)  # within the clocks' leeway
    stage.tick()
    assert stage.state(job) == "starting"


def test_it_waits_when_nobody_vouches_any_more(
    visitor: TestClient, issuer: TestIssuer, stage: Stage, database: Database
) -> None:
    job = submit(visitor, issuer)
    end_rights(database)
    stage.tick()
    waiting = stage.job(job)
    assert waiting["state"] == "waiting"
    assert "vouched for last by the issuer" in waiting["waiting_reason"]
    moment = int(time.time())
    ask(visitor, issuer.sign(iat=moment + 1))
    stage.tick(2)
    assert stage.state(job) == "starting"


def test_who_is_in_no_group_any_more_has_no_jobs_that_act(
    visitor: TestClient, issuer: TestIssuer, services: Container
) -> None:
    job_id = submit(visitor, issuer)

    def find_now() -> Any:
        with services.database.read() as session:
            job = queries.find_job(session, job_id)
            assert job is not None
            return find_submitter(session, job)

    assert find_now().scopes == {"read", "submit"}
    older = issuer.sign(iat=int(time.time()) - 60, groups=["platform"])
    assert ask(visitor, older).status_code == 200
    assert find_now().scopes == {"read", "submit"}  # an older word changes nothing
    assert ask(visitor, issuer.sign(groups=["red-team"])).status_code == 200
    assert find_now() is None  # no longer of the job's project
    assert ask(visitor, issuer.sign(groups=[])).status_code == 403
    assert find_now() is None


@pytest.mark.parametrize("end", ["token", "rights"])
def test_streams_end_with_their_token(
    visitor: TestClient,
    issuer: TestIssuer,
    services: Container,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    end: str,
) -> None:
    monkeypatch.setattr("services.jobs.streams.KEY_SECONDS", 0.0)
    job = submit(visitor, issuer)
    tokens = services.bearer_tokens
    assert tokens is not None

    async def read_stream() -> list[bytes]:
        principal = await tokens.find_principal(issuer.sign())
        if end == "token":
            principal = replace(principal, until=datetime.now(UTC))
        else:
            end_rights(database)
        return [item async for item in stream_events(services, job, 0, principal)]

    assert len(anyio.run(read_stream)) == 1


def test_two_projects_of_groups_see_nothing_of_each_other(
    visitor: TestClient, issuer: TestIssuer
) -> None:
    job = submit(visitor, issuer)
    red = bearer(issuer.sign(sub="eve", groups=["red-team"]))
    assert visitor.get(f"/v1/jobs/{job}", headers=red).status_code == 404
    assert visitor.get("/v1/jobs", headers=red).json()["items"] == []

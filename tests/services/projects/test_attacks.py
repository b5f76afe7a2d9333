"""What a project tried on another, and found: each was a hole once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event

from services.container import Container
from services.database.base import Database, now
from services.jobs.tables import Job
from services.webhooks import deliveries
from tests.meta_trainer.datasets.own_files import make_arrays, to_npz
from tests.services.projects.conftest import BINARY, Team


@pytest.mark.parametrize("alias", ["champion", "none"])
def test_nothing_is_told_of_the_aliases_of_a_name_that_is_taken(
    red: Team, blue: Team, client: TestClient, alias: str
) -> None:
    """By a submission that would promote: whether one is protected, and its rule."""
    assert blue.upload("secret").status_code == 201
    rule = {"if_better_on": "table1", "quick": False, "by_standard_errors": 3.25, "seed": 7}
    body = {"version": 1, "protected": True, "rule": rule}
    assert client.put("/v1/optimizers/secret/aliases/champion", json=body).status_code == 200
    answer = red.submit(
        preset="quick", register_as="secret", promote={"alias": alias, "by_standard_errors": 3}
    )
    assert answer.status_code == 403
    assert answer.json()["detail"].startswith("The name 'secret' is taken")


def test_an_idempotency_key_is_of_one_project(
    red: Team, blue: Team, client: TestClient, database: Database
) -> None:
    """Whoever sees both would get the job of the other, and none in this one."""

    def submit(project: str) -> tuple[int, str]:
        headers = {"Idempotency-Key": "k", "HyperAdam-Project": project}
        body = {"kind": "meta-training", "spec": {"preset": "quick"}}
        answer = client.post("/v1/jobs", json=body, headers=headers)
        return answer.status_code, answer.json().get("id") or answer.json()["type"]

    status, job = submit("red")
    assert status == 201
    assert submit("red") == (200, job)
    assert submit("blue") == (422, "/problems/idempotency-mismatch")


def test_many_messages_of_one_project_do_not_keep_those_of_another_waiting(
    red: Team, blue: Team, services: Container, database: Database
) -> None:
    ids = [red.submit().json()["id"], blue.submit().json()["id"]]
    with database.write() as session:
        jobs = {job.id: job for job in session.query(Job)}
        for number in range(30):
            deliveries.add_delivery(session, jobs[ids[0]], f"https://tarpit.example/{number}")
        deliveries.add_delivery(session, jobs[ids[1]], "https://hooks.example/")
    with database.read() as session:
        due = deliveries.list_due(session, now() + timedelta(seconds=1))
    assert [delivery.job_id for delivery in due] == ids


def test_streams_of_one_project_leave_room_for_those_of_another(
    red: Team, blue: Team, services: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.jobs.tails.MAX_OF_A_PROJECT", 2)
    jobs = {}
    for team in (red, blue):
        job = team.submit().json()["id"]
        assert team.ask("POST", f"/v1/jobs/{job}/cancel").status_code == 202
        jobs[team.project] = job

    def open_stream(team: Team) -> int:
        headers = {"Accept": "text/event-stream"}
        return team.ask("GET", f"/v1/jobs/{jobs[team.project]}/events", headers=headers).status_code

    with services.tails.follow("one", "red"), services.tails.follow("two", "red"):
        assert (open_stream(red), open_stream(blue)) == (429, 200)
    assert open_stream(red) == 200


@pytest.mark.parametrize("prefix", ["projects", "optimizers", "jobs", "datasets"])
def test_what_is_not_seen_is_looked_up_each_time_as_what_is_not_there(
    red: Team, blue: Team, database: Database, prefix: str
) -> None:
    """A remembered place would be told by the time that the answer takes."""
    assert blue.upload("secret").status_code == 201
    data = to_npz(make_arrays(12))
    assert blue.ask("PUT", "/v1/datasets/data", content=data, headers=BINARY).status_code == 201
    names = {"projects": "blue", "optimizers": "secret", "datasets": "data"}
    name = names.get(prefix) or blue.submit().json()["id"]
    statements: list[str] = []
    event.listen(
        database.engine, "before_cursor_execute", lambda *parts: statements.append(parts[2])
    )

    def count(team: Team, name: str) -> int:
        team.ask("GET", f"/v1/{prefix}/{name}")
        statements.clear()
        team.ask("GET", f"/v1/{prefix}/{name}")
        return len(statements)

    own = count(blue, name)
    assert count(red, name) == count(red, "nothing") > 0
    assert count(blue, name) == own

"""What a submission names must be seen, too: versions, jobs, names to register under."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from registry.memory import InMemoryRegistry
from services.container import Container
from services.database.base import Database
from services.jobs.tables import Job
from services.optimizers.owners import find_belonging
from tests.services.projects.conftest import Team, make_team
from tests.services.support import Stage, list_error_fields


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        ("meta-training", {"parent": "secret@1"}, "spec.parent"),
        ("evaluation", {"optimizers": ["own@1", "secret@1"]}, "spec.optimizers.1"),
        (
            "study",
            {
                "preset": "rates",
                "space": {"parent": {"kind": "choice", "options": ["secret@1", "own@1"]}},
            },
            "spec.space.parent.options.0",
        ),
    ],
)
def test_versions_of_another_project_are_no_references(
    red: Team, blue: Team, kind: str, spec: dict[str, Any], field: str
) -> None:
    assert red.upload("own").status_code == 201
    assert blue.upload("secret", seed=2).status_code == 201
    refused = red.submit(kind, **spec)
    assert (refused.status_code, list_error_fields(refused)) == (422, [field]), refused.text
    assert "no optimizer is named 'secret'" in refused.text
    shared = blue.ask("PUT", "/v1/optimizers/secret/sharing", json={"shared": True})
    assert shared.status_code == 200
    assert "no optimizer is named" not in red.submit(kind, **spec).text


def test_a_job_of_another_project_is_not_gone_on_from(
    red: Team, blue: Team, database: Database
) -> None:
    job = blue.submit().json()["id"]
    with database.write() as session:
        row = session.query(Job).filter_by(id=job).one()
        row.state = "succeeded"
    missing = red.submit(continue_from={"job": "job_nothing"}, n_episodes=9)
    theirs = red.submit(continue_from={"job": job}, n_episodes=9)
    assert (missing.status_code, theirs.status_code) == (422, 422)
    assert missing.json()["errors"][0]["message"] == "there is no job 'job_nothing'"
    assert theirs.json()["errors"][0]["message"] == f"there is no job {job!r}"


def test_a_name_of_another_project_is_taken_and_nothing_more_is_told(red: Team, blue: Team) -> None:
    assert blue.upload("secret").status_code == 201
    refused = red.submit(preset="quick", register_as="secret")
    assert refused.status_code == 403
    assert refused.json()["detail"].startswith("The name 'secret' is taken")
    tried = red.ask(
        "POST",
        "/v1/jobs?dry_run=true",
        json={"kind": "meta-training", "spec": {"preset": "quick", "register_as": "secret"}},
    )
    assert tried.json()["accepted"] is False


def test_a_shared_name_is_read_by_all_and_written_by_its_own(red: Team, blue: Team) -> None:
    assert blue.upload("secret").status_code == 201
    path = "/v1/optimizers/secret"
    assert red.ask("PUT", f"{path}/sharing", json={"shared": True}).status_code == 404
    assert blue.ask("PUT", f"{path}/sharing", json={"shared": True}).json()["shared"] is True
    assert red.ask("GET", f"{path}/versions/1/weights").status_code == 200
    assert [each["name"] for each in red.ask("GET", "/v1/optimizers").json()["items"]] == ["secret"]
    assert red.upload("secret", seed=2).status_code == 403
    change = {"description": "bad"}
    assert red.ask("PATCH", f"{path}/versions/1", json=change).status_code == 403
    assert red.ask("PUT", f"{path}/sharing", json={"shared": False}).status_code == 403
    assert blue.ask("PUT", f"{path}/sharing", json={"shared": False}).status_code == 200
    assert red.ask("GET", path).status_code == 404


def test_toys_have_a_name_in_each_project(
    red: Team, blue: Team, client: TestClient, services: Container, registry: InMemoryRegistry
) -> None:
    submitted = red.submit().json()
    assert submitted["spec"]["register_as"] == "red-quick"
    assert submitted["notes"] == [
        "versions are called 'red-quick': 'quick' is of the project 'default'"
    ]
    study = blue.submit("study", preset="rates").json()
    assert study["spec"]["base"]["register_as"] == "blue-study-rates"
    other = make_team(client, services, "red", "submit")
    assert other.submit().status_code == 201  # a toy is everybody's in its project
    assert red.upload("quick").status_code == 403
    assert blue.upload("red-quick").status_code == 403
    belonging = find_belonging(services.database, registry, "red-quick")
    assert belonging is not None
    assert (belonging.project, belonging.owner) == ("red", None)


def test_two_keys_of_one_name_in_two_projects_are_two_owners(red: Team, blue: Team) -> None:
    assert red.upload("mine").status_code == 201
    assert blue.upload("mine", seed=2).status_code == 403


def test_an_evaluation_leaves_evidence_in_its_own_project_alone(
    red: Team, blue: Team, stage: Stage, registry: InMemoryRegistry
) -> None:
    assert red.upload("own").status_code == 201
    assert blue.upload("secret", seed=2).status_code == 201
    blue.ask("PUT", "/v1/optimizers/secret/sharing", json={"shared": True})
    job = red.submit("evaluation", optimizers=["own@1", "secret@1"]).json()["id"]
    stage.tick(2)
    order = registry.get_artifact(stage.run_id(job), "job.json")
    assert b'"attach_to": ["own"]' in order

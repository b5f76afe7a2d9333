"""Projects are made, described and archived by admins; keys belong to one of them."""

from __future__ import annotations

from fastapi.testclient import TestClient

from services.container import Container
from tests.services.projects.conftest import Team, make_team
from tests.services.support import Stage, list_error_fields


def test_all_that_is_there_belongs_to_default(client: TestClient) -> None:
    body = {"kind": "meta-training", "spec": {"preset": "quick"}}
    assert client.post("/v1/jobs", json=body).json()["project"] == "default"
    assert [each["name"] for each in client.get("/v1/projects").json()["items"]] == ["default"]
    assert client.get("/v1/keys/self").json()["project"] == "default"


def test_admins_make_describe_and_archive(client: TestClient, red: Team) -> None:
    made = client.post("/v1/projects", json={"name": "vision", "description": "pictures"})
    assert made.status_code == 201
    assert client.post("/v1/projects", json={"name": "vision"}).status_code == 409
    wrong = client.post("/v1/projects", json={"name": "Vision"})
    assert list_error_fields(wrong) == ["name"]
    path = "/v1/projects/vision"
    assert client.patch(path, json={"description": "words"}).json()["description"] == "words"
    assert client.patch(path, json={"archived": True}).json()["archived_at"] is not None
    assert client.get(path).json()["description"] == "words"
    assert client.patch(path, json={"archived": False}).json()["archived_at"] is None
    refused = client.patch("/v1/projects/default", json={"archived": True})
    assert (refused.status_code, list_error_fields(refused)) == (422, ["archived"])
    assert red.ask("POST", "/v1/projects", json={"name": "mine"}).status_code == 403
    assert red.ask("PATCH", "/v1/projects/red", json={"archived": True}).status_code == 403


def test_a_post_is_done_once(client: TestClient) -> None:
    headers = {"Idempotency-Key": "once"}
    codes = []
    for _ in range(2):
        answer = client.post("/v1/projects", json={"name": "vision"}, headers=headers)
        codes.append(answer.status_code)
    assert codes == [201, 200]


def test_nothing_is_added_to_an_archived_project(
    client: TestClient, red: Team, stage: Stage
) -> None:
    waiting = red.submit().json()["id"]
    assert red.ask("POST", f"/v1/jobs/{waiting}/pause").status_code == 202
    assert client.patch("/v1/projects/red", json={"archived": True}).status_code == 200
    assert red.submit().status_code == 403
    assert red.upload("mine").status_code == 403
    assert red.ask("POST", f"/v1/jobs/{waiting}/resume").status_code == 403
    assert red.ask("GET", f"/v1/jobs/{waiting}").status_code == 200


def test_a_key_is_made_in_a_project(client: TestClient) -> None:
    client.post("/v1/projects", json={"name": "red"})
    made = client.post("/v1/keys", json={"name": "ann", "project": "red"}).json()
    assert made["project"] == "red"
    headers = {"Authorization": f"Bearer {made['key']}"}
    own = client.get("/v1/keys/self", headers=headers).json()
    assert (own["project"], own["sees_all"]) == ("red", False)
    missing = client.post("/v1/keys", json={"name": "ann", "project": "none"})
    assert list_error_fields(missing) == ["project"]


def test_an_admin_acts_in_the_project_that_it_names(client: TestClient, red: Team) -> None:
    inside = {"HyperAdam-Project": "red"}
    body = {"kind": "meta-training", "spec": {"preset": "quick"}}
    job = client.post("/v1/jobs", json=body, headers=inside).json()
    assert job["project"] == "red"
    outside = client.post("/v1/jobs", json=body).json()
    assert red.ask("GET", f"/v1/jobs/{job['id']}").status_code == 200
    seen = client.get("/v1/jobs", headers=inside).json()["items"]
    assert [each["id"] for each in seen] == [job["id"]]
    assert client.get(f"/v1/jobs/{outside['id']}", headers=inside).status_code == 404
    assert len(client.get("/v1/jobs").json()["items"]) == 2
    assert client.get("/v1/jobs", headers={"HyperAdam-Project": "none"}).status_code == 403
    assert red.ask("GET", "/v1/jobs", headers={"HyperAdam-Project": "default"}).status_code == 403
    assert red.ask("GET", "/v1/jobs", headers=inside).status_code == 200


def test_an_admin_clones_where_the_job_is(client: TestClient, red: Team) -> None:
    job = red.submit().json()["id"]
    assert client.post(f"/v1/jobs/{job}/clone", json={}).json()["project"] == "red"


def test_a_name_is_handed_over_to_another_project(
    client: TestClient, red: Team, blue: Team, services: Container
) -> None:
    assert red.upload("mine").status_code == 201
    path = "/v1/optimizers/mine/owner"
    given = client.put(path, json={"owner": "somebody", "project": "blue"})
    assert given.status_code == 200
    assert red.ask("GET", "/v1/optimizers/mine").status_code == 404
    assert blue.upload("mine", seed=2).status_code == 201
    missing = client.put(path, json={"owner": "somebody", "project": "none"})
    assert list_error_fields(missing) == ["project"]


def test_readers_of_a_project_only_read(client: TestClient, services: Container) -> None:
    reader = make_team(client, services, "red", "read")
    assert reader.submit().status_code == 403
    assert reader.ask("GET", "/v1/jobs").status_code == 200

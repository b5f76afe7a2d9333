"""Every request that would change something is in the log with who, what, when, and from where."""

from __future__ import annotations

import json
from pathlib import Path

from fastapi.testclient import TestClient

from services.container import Container
from services.settings import Settings
from tests.services.application import share_application
from tests.services.projects.conftest import make_team
from tests.services.support import Stage, collect_pages

PATH = "/v1/audit/requests"


def test_who_made_and_revoked_a_key_is_kept(client: TestClient) -> None:
    made = client.post("/v1/keys", json={"name": "guest"}, headers={"X-Request-Id": "mine"}).json()
    client.delete(f"/v1/keys/{made['id']}")
    revoked, created = client.get(PATH, params={"about": made["id"]}).json()["items"]
    assert created["subject"] == f"key {made['id']} of guest"
    assert (created["actor"], created["status"]) == ("tester", 201)
    assert (created["client"], created["request_id"]) == ("testclient", "mine")
    assert (revoked["method"], revoked["path"]) == ("DELETE", f"/v1/keys/{made['id']}")
    assert made["key"] not in client.get(PATH).text


def test_refusals_are_noted_and_reads_and_trials_are_not(
    stage: Stage, client: TestClient, services: Container
) -> None:
    red = make_team(client, services, "red")
    job = stage.submit()
    red.ask("GET", "/v1/jobs")
    red.ask("POST", "/v1/jobs?dry_run=true", json={"kind": "meta-training"})
    assert red.ask("POST", f"/v1/jobs/{job}/cancel").status_code == 404
    assert red.ask("POST", "/v1/keys", json={"name": "me"}).status_code == 403
    own = client.get(PATH, params={"actor": "somebody"}).json()["items"]
    assert [(each["path"], each["status"]) for each in own] == [
        ("/v1/keys", 403),
        (f"/v1/jobs/{job}/cancel", 404),
    ]
    assert {each["project"] for each in own} == {"red"}
    assert red.ask("GET", PATH).status_code == 403
    assert client.get(PATH, params={"project": "red"}).json()["items"] == own
    [submitted] = client.get(PATH, params={"about": job, "actor": "tester"}).json()["items"]
    assert submitted["subject"] == job


def test_pages_and_moments(client: TestClient) -> None:
    for number in range(5):
        client.post("/v1/projects", json={"name": f"p{number}"})
    items = collect_pages(client, PATH, limit=2)
    assert [each["subject"] for each in items] == ["p4", "p3", "p2", "p1", "p0"]
    middle = items[2]["time"]
    later = client.get(PATH, params={"after": middle}).json()["items"]
    earlier = client.get(PATH, params={"before": middle}).json()["items"]
    assert later + earlier == items


def test_it_goes_to_a_file_as_json_lines(
    services: Container, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "audit.jsonl"
    told = settings.model_copy(update={"audit_lines": str(file)})
    container = Container(settings=told, database=services.database, registry=services.registry)
    key = container.api_keys.create("tester", ["admin"]).key
    with TestClient(share_application(container)) as client:
        headers = {"Authorization": f"Bearer {key}"}
        client.post("/v1/projects", json={"name": "red"}, headers=headers)
    [line] = file.read_text().splitlines()
    entry = json.loads(line)
    assert (entry["actor"], entry["subject"], entry["status"]) == ("tester", "red", 201)
    assert file.stat().st_mode & 0o077 == 0

"""Every request that would change something is in the log with who, what, when, and from where."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.container import Container
from services.database.base import now
from services.housekeeping.policy import Policy
from services.housekeeping.pruner import Pruner
from services.settings import Settings
from tests.meta_trainer.datasets.own_files import make_arrays, to_npz
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


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/jobs?dry_run=true&dry_run=false"),
        ("PUT", "/v1/datasets/mine?title=dry_run=true"),
        ("DELETE", "/v1/optimizers/mine/aliases/champion?reason=dry_run=true"),
    ],
)
def test_no_query_keeps_a_change_out_of_it(client: TestClient, method: str, path: str) -> None:
    """Only what was really tried leaves nothing."""
    body = {"kind": "meta-training", "spec": {"preset": "quick"}}
    more: dict[str, Any] = {"json": body}
    if method == "PUT":
        content = to_npz(make_arrays(12))
        more = {"content": content, "headers": {"Content-Type": "application/octet-stream"}}
    answer = client.request(method, path, **({} if method == "DELETE" else more))
    [row] = client.get(PATH).json()["items"]
    assert (row["method"], row["status"]) == (method, answer.status_code)
    assert answer.status_code == (404 if method == "DELETE" else 201)


def test_what_fails_unforeseen_is_noted(
    client: TestClient, services: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("services.projects.service.hash_body", fail)
    with TestClient(client.app, headers=client.headers, raise_server_exceptions=False) as patient:
        assert patient.post("/v1/projects", json={"name": "red"}).status_code == 500
    [row] = client.get(PATH).json()["items"]
    assert (row["path"], row["status"]) == ("/v1/projects", 500)


def test_old_rows_go_into_files_before_they_go(
    client: TestClient, services: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.housekeeping.audit.ROWS_OF_A_FILE", 2)
    for number in range(5):
        client.post("/v1/projects", json={"name": f"p{number}"})
    rows = client.get(PATH).json()["items"]
    cut = datetime.fromisoformat(rows[1]["time"])  # the newest two stay
    folder = tmp_path / "audit"
    told = services.settings.model_copy(update={"audit_archive": str(folder)})
    prune = partial(Pruner, settings=told, database=services.database, registry=services.registry)
    assert prune(dry=True).prune("audit", cut).n_items == 3
    folder.touch()
    with pytest.raises(OSError, match="audit"):
        prune().prune("audit", cut)
    assert client.get(PATH).json()["items"] == rows
    folder.unlink()
    bounded = prune(limit=20).prune("audit", cut)
    assert (bounded.n_items, bounded.n_jobs) == (2, 20)
    assert prune().prune("audit", cut).n_items == 1
    assert client.get(PATH).json()["items"] == rows[:2]
    files = sorted(folder.glob("*.jsonl"))
    kept = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert len(files) == 2
    assert [entry["subject"] for entry in kept] == ["p0", "p1", "p2"]
    assert [entry["request_id"] for entry in kept] == [row["request_id"] for row in rows[:1:-1]]
    assert folder.stat().st_mode & 0o077 == 0


def test_rows_are_removed_by_an_explicit_setting_alone(tmp_path: Path) -> None:
    database_url = f"sqlite:///{tmp_path}/else.db"
    settings = Settings(home=tmp_path, database_url=database_url)
    assert Policy.from_settings(settings).find_cut("audit", now()) is None
    assert Settings(home=tmp_path, keep_audit_days=9).audit_archive == str(tmp_path / "audit")
    with pytest.raises(ValueError, match="HYPERADAM_AUDIT_ARCHIVE"):
        Settings(home=tmp_path, database_url=database_url, keep_audit_days=9)

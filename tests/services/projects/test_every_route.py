"""No route of the API shows, changes or tells a project anything of another: all operations of the
document are tried, and one without a rule here fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from fastapi.testclient import TestClient

from registry.memory import InMemoryRegistry
from services.api_document import build_document
from services.container import Container
from services.projects.reach import RULES
from services.settings import Settings
from tests.meta_trainer.datasets.own_files import make_arrays, to_npz
from tests.registry.thetas import make_theta
from tests.services.oidc.issuer import TestIssuer, run_issuer
from tests.services.projects.conftest import Team, make_team, make_team_of_issuer

BINARY: Final = {"Content-Type": "application/octet-stream"}
OPEN: Final = {"GET /metrics", "GET /livez", "GET /readyz"}
"""Without a key: what they say is of the service as a whole."""
LISTS: Final = {
    "GET /v1/jobs",
    "GET /v1/optimizers",
    "GET /v1/projects",
    "GET /v1/presets",
    "GET /v1/datasets",
    "GET /v1/tasks",
    "GET /v1/keys/self",
    "GET /v1/system",
}
"""Without a name of a thing: nothing of another project stands in the answer."""
ADMINS: Final = {
    "GET /v1/keys",
    "POST /v1/keys",
    "DELETE /v1/keys/{key_id}",
    "GET /v1/audit",
    "GET /v1/audit/requests",
    "POST /v1/projects",
}
OWN: Final = {"PUT /v1/session", "DELETE /v1/session"}
"""About the asker alone."""
BY_REFERENCE: Final = {"POST /v1/jobs"}
"""What its body names is tried in `test_references.py`."""
TAKEN: Final = {"POST /v1/optimizers/{name}/versions", "PUT /v1/datasets/{name}"}
"""Names are one for all projects: these say that a name is taken, and not whose it is."""
BODIES: Final[dict[str, dict[str, Any]]] = {
    "PATCH /v1/jobs/{job_id}": {"name": "mine now", "priority": 100},
    "PATCH /v1/jobs/{job_id}/study": {"trials": 1},
    "POST /v1/jobs/{job_id}/extend": {"trials": 9},
    "POST /v1/jobs/{job_id}/trials/{number}/version": {"optimizer": "stolen"},
    "PUT /v1/optimizers/{name}/owner": {"owner": "somebody", "project": "red"},
    "PUT /v1/optimizers/{name}/sharing": {"shared": True},
    "PUT /v1/optimizers/{name}/aliases/{alias}": {"version": 1},
    "PATCH /v1/optimizers/{name}/versions/{ref}": {"description": "bad"},
    "PATCH /v1/projects/{name}": {"archived": True},
}
QUERIES: Final = {"GET /v1/optimizers/{name}/versions/{ref}/compare": {"to": "secret@1"}}


@pytest.fixture(params=["key", "token"])
def issuer(request: pytest.FixtureRequest) -> Iterator[TestIssuer | None]:
    """None: teams are known by API keys; else by tokens of this issuer."""
    if request.param == "key":
        yield None
        return
    with run_issuer() as issuer:
        yield issuer


@pytest.fixture
def settings(settings: Settings, issuer: TestIssuer | None) -> Settings:
    if issuer is None:
        return settings
    return issuer.make_settings(settings.home, settings.database_url)


@pytest.fixture
def red(client: TestClient, services: Container, issuer: TestIssuer | None) -> Team:
    return _make_team(client, services, issuer, "red")


@pytest.fixture
def blue(client: TestClient, services: Container, issuer: TestIssuer | None) -> Team:
    return _make_team(client, services, issuer, "blue")


def _make_team(
    client: TestClient, services: Container, issuer: TestIssuer | None, project: str
) -> Team:
    if issuer is None:
        return make_team(client, services, project)
    return make_team_of_issuer(client, issuer, project)


def list_operations() -> list[tuple[str, str]]:
    document = build_document()
    return [
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    ]


OPERATIONS: Final = list_operations()


def names_a_thing(path: str) -> bool:
    return any(
        path.startswith(prefix) and f"{{{parameter}}}" in path for prefix, parameter in RULES
    )


def test_every_operation_has_a_rule() -> None:
    without = {f"{method} {path}" for method, path in OPERATIONS if not names_a_thing(path)}
    assert without == OPEN | LISTS | ADMINS | OWN | BY_REFERENCE


@pytest.fixture
def things(red: Team, blue: Team, client: TestClient) -> dict[str, dict[str, str]]:
    """By project: what paths name."""
    things = {}
    for team, name in ((red, "own"), (blue, "secret")):
        assert team.upload(name).status_code == 201
        file = to_npz(make_arrays(12))
        made = team.ask("PUT", f"/v1/datasets/{name}", content=file, headers=BINARY)
        assert made.status_code == 201
        job = team.submit("study", preset="rates").json()["id"]
        things[team.project] = {
            "job_id": job,
            "name": name,
            "ref": "1",
            "alias": "champion",
            "number": "0",
            "path": "report.md",
            "project": team.project,
        }
    alias = client.put("/v1/optimizers/secret/aliases/champion", json={"version": 1})
    assert alias.status_code == 200
    return things


def fill(path: str, things: dict[str, str]) -> str:
    if path.startswith("/v1/projects/"):
        path = path.replace("{name}", things["project"])
    return path.format(**things)


def ask(team: Team, method: str, path: str, things: dict[str, str]) -> Any:
    operation = f"{method} {path}"
    more: dict[str, Any] = {"params": QUERIES.get(operation, {})}
    if method in {"POST", "PUT", "PATCH"}:
        more["json"] = BODIES.get(operation, {})
    if operation in TAKEN:
        more = {
            "content": make_theta(9).to_bytes(),
            "headers": BINARY,
        }
    return team.ask(method, fill(path, things), **more)


def see_all(team: Team, things: dict[str, str], registry: InMemoryRegistry) -> list[Any]:
    """What another project must leave as it is."""
    job = team.ask("GET", f"/v1/jobs/{things['job_id']}").json()
    optimizer = team.ask("GET", f"/v1/optimizers/{things['name']}").json()
    project = team.ask("GET", f"/v1/projects/{team.project}").json()
    unsteady = {"queue_position", "starts_in_seconds"}
    steady = {name: value for name, value in job.items() if name not in unsteady}
    return [steady, optimizer, project, registry.versions(things["name"])]


def test_what_another_project_has_is_not_there(
    red: Team, blue: Team, things: dict[str, dict[str, str]], registry: InMemoryRegistry
) -> None:
    theirs = things["blue"]
    before = see_all(blue, theirs, registry)
    missing = {**theirs, "job_id": "job_nothing", "name": "nothing", "project": "nothing"}
    for method, path in OPERATIONS:
        if not names_a_thing(path):
            continue
        answer = ask(red, method, path, theirs)
        if f"{method} {path}" in TAKEN:
            assert answer.status_code == 403, path
            assert "somebody" not in answer.text
            assert "blue" not in answer.text
            continue
        assert answer.status_code == 404, (method, path, answer.text)
        like = ask(red, method, path, missing)
        assert like.status_code == 404, (method, path, like.text)
        if method != "HEAD":
            assert hide_name(answer.json(), theirs) == hide_name(like.json(), missing), path
    assert see_all(blue, theirs, registry) == before


def hide_name(document: dict[str, Any], things: dict[str, str]) -> str:
    """A problem's text without what was asked for."""
    text = str(document["detail"])
    for parameter in ("job_id", "name", "project"):
        text = text.replace(repr(things[parameter]), "…")
    return text


def test_every_change_is_in_the_audit_log(
    blue: Team,
    things: dict[str, dict[str, str]],
    client: TestClient,
    issuer: TestIssuer | None,
) -> None:
    """Done or refused, whatever the route. What names nothing that can be found counts, too."""

    actor = "somebody" if issuer is None else f"{issuer.url} somebody"

    def read_log() -> list[tuple[str, str, int]]:
        page = client.get("/v1/audit/requests", params={"actor": actor, "limit": 1000})
        return [(row["method"], row["path"], row["status"]) for row in page.json()["items"]]

    theirs = {**things["blue"], "key_id": "a" * 8}
    expected = read_log()
    for method, path in OPERATIONS:
        if method in {"GET", "HEAD"}:
            continue
        answer = ask(blue, method, path, theirs)
        expected.insert(0, (method, fill(path, theirs), answer.status_code))
        assert read_log() == expected, (method, path)
    done = {(method, path) for method, path, status in expected if status < 300}
    assert {("PUT", "/v1/datasets/secret"), ("DELETE", "/v1/datasets/secret")} <= done


def test_its_own_project_has_it_all(blue: Team, things: dict[str, dict[str, str]]) -> None:
    """Where a route answered 404 to everybody, the test above would say nothing."""
    not_yet = {"result", "result/{path}", "version"}
    for method, path in OPERATIONS:
        if names_a_thing(path) and method in {"GET", "HEAD"}:
            answer = ask(blue, method, path, things["blue"])
            is_missing = path.partition("{job_id}/")[2] in not_yet
            assert answer.status_code == (404 if is_missing else 200), (path, answer.text)


def test_lists_show_nothing_of_another_project(
    red: Team, things: dict[str, dict[str, str]]
) -> None:
    theirs = things["blue"]
    for operation in LISTS:
        answer = red.ask(*operation.split())
        assert answer.status_code == 200, operation
        for text in (theirs["job_id"], "secret", "blue"):
            assert text not in answer.text.replace("secret of red", ""), operation
    own = red.ask("GET", "/v1/jobs").json()["items"]
    assert [job["project"] for job in own] == ["red"]
    assert red.ask("GET", "/v1/jobs", params={"project": "blue"}).json()["items"] == []


def test_what_is_for_admins_is_for_admins(red: Team) -> None:
    for operation in ADMINS:
        method, path = operation.split()
        assert red.ask(method, path.format(key_id="a" * 8)).status_code in {403, 422}, operation

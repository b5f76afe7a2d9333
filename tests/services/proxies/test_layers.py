"""Below a path, with and without it in what the proxy sends, and for pages of other origins."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urljoin

import pytest
from fastapi.testclient import TestClient
from starlette.types import ASGIApp

from services.app import create_app
from services.container import Container
from services.proxies.layers import stand_behind
from tests.services.application import share_application

JOB = {"kind": "meta-training", "spec": {"preset": "quick"}}
PREFIX = "/lab/hyperadam"
TRUSTED = "testclient"  # what the test client says that it is; no address, so nobody's else


def reach(app: ASGIApp, services: Container, **headers: str) -> TestClient:
    key = services.api_keys.create("tester", ["admin"]).key
    return TestClient(
        app, headers={"Authorization": f"Bearer {key}", **headers}, follow_redirects=False
    )


@pytest.fixture(params=["kept", "stripped"])
def sent(request: pytest.FixtureRequest) -> str:
    """What the proxy sends before a path of the service."""
    return PREFIX if request.param == "kept" else ""


@pytest.fixture(params=["by the setting", "by the proxy"])
def below(request: pytest.FixtureRequest, services: Container) -> Iterator[TestClient]:
    """The service below a path that a setting says, or the proxy."""
    app = share_application(services)
    if request.param == "by the setting":
        yield reach(stand_behind(app, "", PREFIX), services)
    else:
        behind = stand_behind(app, TRUSTED, "")
        yield reach(behind, services, **{"X-Forwarded-Prefix": PREFIX})


def test_all_works_below_a_path(below: TestClient, sent: str) -> None:
    assert below.get(f"{sent}/").status_code == 200
    assert below.get(f"{sent}/docs").status_code == 200
    assert below.get(f"{sent}/dashboard/main.js").status_code == 200
    document = below.get(f"{sent}/openapi.json").json()
    assert document["servers"] == [{"url": PREFIX}]

    made = below.post(f"{sent}/v1/jobs", json=JOB, headers={"Idempotency-Key": "once"})
    assert made.status_code == 201
    asked = f"http://proxy{PREFIX}/v1/jobs"
    found = urljoin(asked, made.headers["Location"]).removeprefix("http://proxy")
    assert found == f"{PREFIX}/v1/jobs/{made.json()['id']}"
    assert below.get(found).status_code == 200


def test_a_session_is_for_paths_below_the_prefix(below: TestClient, sent: str) -> None:
    own = {"X-Requested-With": "hyperadam"}
    answer = below.put(f"{sent}/v1/session", headers=own)
    assert answer.is_success
    assert f"Path={PREFIX}/v1;" in answer.headers["Set-Cookie"]


def test_a_post_is_done_once_whichever_way_it_comes(services: Container) -> None:
    app = share_application(services)
    once = {"Idempotency-Key": "once"}
    direct = reach(app, services)
    first = direct.post("/v1/jobs", json=JOB, headers=once).json()
    proxied = TestClient(stand_behind(app, "", PREFIX), headers=direct.headers)
    again = proxied.post(f"{PREFIX}/v1/jobs", json=JOB, headers=once)
    assert (again.status_code, again.json()["id"]) == (200, first["id"])


def test_the_folder_itself_is_found_without_its_slash(services: Container) -> None:
    client = reach(stand_behind(share_application(services), "", PREFIX), services)
    answer = client.get(PREFIX)
    assert answer.status_code == 308
    assert urljoin(f"http://proxy{PREFIX}", answer.headers["Location"]) == f"http://proxy{PREFIX}/"


@pytest.mark.parametrize("said", ["", "/", "no-path", "//elsewhere", "/v1", "/a;Path=/", "/a/../b"])
def test_a_prefix_that_is_none_changes_nothing(services: Container, said: str) -> None:
    app = stand_behind(share_application(services), TRUSTED, "")
    client = reach(app, services, **{"X-Forwarded-Prefix": said})
    assert "servers" not in client.get("/openapi.json").json()


def test_strangers_say_nothing_about_the_path(services: Container) -> None:
    app = stand_behind(share_application(services), "10.0.0.0/8", "")
    client = reach(app, services, **{"X-Forwarded-Prefix": PREFIX})
    assert "servers" not in client.get("/openapi.json").json()
    assert client.get(f"{PREFIX}/docs").status_code == 404


PAGE = "https://lab.example.com"


@pytest.fixture
def open_client(services: Container) -> TestClient:
    """Of a service that pages of another origin may ask."""
    settings = services.settings.model_copy(update={"cors_origins": PAGE})
    wide = Container(settings=settings, database=services.database, registry=services.registry)
    return reach(create_app(wide), services)


def ask_first(client: TestClient, origin: str, header: str) -> int:
    """The status of what a browser asks before it sends a request."""
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": header,
    }
    return client.options("/v1/jobs", headers=headers).status_code


def test_pages_of_named_origins_may_ask_with_a_key(open_client: TestClient) -> None:
    assert ask_first(open_client, PAGE, "Authorization, Content-Type, Idempotency-Key") == 200
    assert ask_first(open_client, "https://else.example.com", "Authorization") == 400
    answer = open_client.get("/v1/jobs", headers={"Origin": PAGE})
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Location" in answer.headers["Access-Control-Expose-Headers"]
    refused = open_client.get("/v1/jobs/none", headers={"Origin": PAGE})
    assert refused.headers["Access-Control-Allow-Origin"] == PAGE, "they may read why, too"


def test_no_other_page_uses_a_session(open_client: TestClient) -> None:
    assert ask_first(open_client, PAGE, "X-Requested-With") == 400
    answer = open_client.get("/v1/jobs", headers={"Origin": PAGE})
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_without_the_setting_no_other_page_may_ask(client: TestClient) -> None:
    answer = client.get("/v1/jobs", headers={"Origin": PAGE})
    assert "Access-Control-Allow-Origin" not in answer.headers

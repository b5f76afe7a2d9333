"""Sessions of browsers: what the cookie may do, for how long, and who else could use it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import select, update

from services.auth.cookies import COOKIE
from services.auth.tables import BrowserSession
from services.container import Container
from tests.services.application import share_application
from tests.services.support import ON_ANY_DATABASE

ASKED_FOR = {"X-Requested-With": "hyperadam"}
JOB = {"kind": "meta-training", "spec": {"preset": "quick"}}


@pytest.fixture
def browser(services: Container) -> Iterator[TestClient]:
    with TestClient(share_application(services)) as client:
        yield client


def sign_in(browser: TestClient, services: Container, *scopes: str) -> Response:
    key = services.api_keys.create("visitor", list(scopes)).key
    answer = browser.put("/v1/session", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    return answer


def test_scripts_cannot_read_the_cookie_and_other_sites_do_not_send_it(
    browser: TestClient, services: Container
) -> None:
    answer = sign_in(browser, services, "submit")
    cookie = SimpleCookie(answer.headers["Set-Cookie"])[COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "strict"
    assert cookie["path"] == "/v1"
    assert 0 < int(cookie["max-age"]) <= services.settings.session_seconds
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json()["scopes"] == ["read", "submit"]
    assert cookie.value not in answer.text
    with services.database.read() as session:
        assert session.scalars(select(BrowserSession)).one().hash != cookie.value


def test_the_cookie_is_for_https_alone_where_it_came_by_https(services: Container) -> None:
    with TestClient(share_application(services), base_url="https://testserver") as browser:
        answer = sign_in(browser, services, "read")
    assert SimpleCookie(answer.headers["Set-Cookie"])[COOKIE]["secure"]


def test_it_may_do_what_its_key_may(browser: TestClient, services: Container) -> None:
    sign_in(browser, services, "submit")
    assert browser.get("/v1/keys/self").json()["name"] == "visitor"
    assert browser.post("/v1/jobs", json=JOB, headers=ASKED_FOR).status_code == 201
    assert browser.get("/v1/keys").status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Requested-With": "XMLHttpRequest"}, ASKED_FOR | {"Sec-Fetch-Site": "cross-site"}],
)
def test_no_other_site_can_change_anything_with_it(
    browser: TestClient, services: Container, headers: dict[str, str]
) -> None:
    sign_in(browser, services, "submit")
    answer = browser.post("/v1/jobs", json=JOB, headers=headers)
    assert answer.status_code == 403
    assert "X-Requested-With" in answer.json()["detail"]
    assert browser.get("/v1/jobs", headers=headers).json()["items"] == []


def test_signing_out_makes_the_token_worthless(browser: TestClient, services: Container) -> None:
    sign_in(browser, services, "read")
    token = browser.cookies[COOKIE]
    assert browser.delete("/v1/session", headers=ASKED_FOR).status_code == 204
    assert COOKIE not in browser.cookies
    stolen = browser.get("/v1/jobs", headers={"Cookie": f"{COOKIE}={token}"})
    assert stolen.status_code == 401


def test_it_ends_with_its_key(browser: TestClient, services: Container) -> None:
    answer = sign_in(browser, services, "read")
    assert browser.get("/v1/jobs").status_code == 200
    services.api_keys.revoke(answer.json()["id"])
    assert browser.get("/v1/jobs").status_code == 401


def test_it_ends_by_itself_and_is_swept_away(browser: TestClient, services: Container) -> None:
    sign_in(browser, services, "read")
    with services.database.write() as session:
        past = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(BrowserSession).values(expires_at=past))
    assert browser.get("/v1/jobs").status_code == 401
    browser.cookies.clear()
    sign_in(browser, services, "read")
    with services.database.read() as session:
        assert len(session.scalars(select(BrowserSession)).all()) == 1


def test_a_session_does_not_prolong_itself(browser: TestClient, services: Container) -> None:
    sign_in(browser, services, "admin")
    assert browser.put("/v1/session", headers=ASKED_FOR).status_code == 403


@ON_ANY_DATABASE
@pytest.mark.parametrize("token", ["", "x", "ä", "a" * 43, "a" * 4000])
def test_what_is_no_token_is_nobody(browser: TestClient, token: str) -> None:
    headers = {"Cookie": f"{COOKIE}={token}".encode("latin-1")}
    assert browser.get("/v1/jobs", headers=headers).status_code == 401


def test_a_key_in_the_header_goes_before_the_cookie(
    browser: TestClient, services: Container
) -> None:
    sign_in(browser, services, "read")
    key = services.api_keys.create("other", ["read"]).key
    answer = browser.get("/v1/keys/self", headers={"Authorization": f"Bearer {key}"})
    assert answer.json()["name"] == "other"

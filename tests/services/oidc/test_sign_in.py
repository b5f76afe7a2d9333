"""People sign in on the dashboard with the issuer: there, back, and every way that is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from fastapi.testclient import TestClient

from services.auth.cookies import COOKIE as SESSION
from services.container import Container
from services.oidc.endpoints import COOKIE
from services.proxies.layers import stand_behind
from services.settings import Settings
from tests.services.application import share_application
from tests.services.oidc.issuer import TestIssuer, bearer
from tests.services.support import ON_ANY_DATABASE

ASKED_FOR = {"X-Requested-With": "hyperadam"}
JOB = {"kind": "meta-training", "spec": {"preset": "quick"}}


@pytest.fixture
def browser(visitor: TestClient) -> TestClient:
    """Of somebody who looks for the way in; it shows where redirects lead."""
    visitor.follow_redirects = False
    return visitor


def set_out(browser: TestClient, path: str = "/v1/sign-in") -> str:
    """Where the issuer sends the browser back to."""
    answer = browser.get(path)
    assert answer.status_code == 303, answer.text
    there = httpx2.get(answer.headers["Location"])
    assert there.status_code == 302
    return str(there.headers["Location"])


def come_back(browser: TestClient, url: str) -> Any:
    parts = urlsplit(url)
    return browser.get(f"{parts.path}?{parts.query}")


def read_cookies(answer: Any) -> SimpleCookie:
    cookies = SimpleCookie()
    for header in answer.headers.get_list("Set-Cookie"):
        cookies.load(header)
    return cookies


def test_there_and_back(browser: TestClient, issuer: TestIssuer, services: Container) -> None:
    refused = browser.get("/v1/keys/self")
    assert (refused.status_code, refused.json()["sign_in"]) == (401, "Lab")
    back = come_back(browser, set_out(browser))
    assert (back.status_code, back.headers["Location"]) == (303, "../../"), back.text
    cookies = read_cookies(back)
    assert cookies[SESSION]["httponly"]
    assert cookies[SESSION]["samesite"] == "strict"
    assert COOKIE not in browser.cookies
    holder = browser.get("/v1/keys/self").json()
    assert holder["full_name"] == "Ada Lovelace"
    assert (holder["name"], holder["project"]) == (f"{issuer.url} ada", "blue")
    assert browser.post("/v1/jobs", json=JOB).status_code == 403  # no header of the page's own
    made = browser.post("/v1/jobs", json=JOB, headers=ASKED_FOR)
    assert made.status_code == 201
    assert browser.get("/v1/keys").status_code == 403
    assert browser.delete("/v1/session", headers=ASKED_FOR).status_code == 204
    assert browser.get("/v1/keys/self").status_code == 401


def test_what_the_issuer_is_asked(browser: TestClient, issuer: TestIssuer) -> None:
    answer = browser.get("/v1/sign-in")
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert query["redirect_uri"] == ["http://testserver/v1/sign-in/callback"]
    assert query["code_challenge_method"] == ["S256"]
    secrets = {query[name][0] for name in ("state", "nonce", "code_challenge")}
    assert {len(secret) for secret in secrets} == {43}
    assert browser.cookies[COOKIE] not in secrets
    cookie = SimpleCookie(answer.headers["Set-Cookie"])[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/v1/sign-in")
    again = browser.get("/v1/sign-in")
    assert parse_qs(urlsplit(again.headers["Location"]).query)["state"] != query["state"]


def test_it_is_in_the_audit_log(browser: TestClient, client: TestClient) -> None:
    come_back(browser, set_out(browser))
    newest = client.get("/v1/audit/requests").json()["items"][0]
    assert (newest["path"], newest["status"]) == ("/v1/sign-in/callback", 303)
    assert newest["actor"].endswith(" ada")


def test_another_browser_does_not_come_back(browser: TestClient, services: Container) -> None:
    """Whoever is lured to a link with somebody else's code is not signed in as that one."""
    url = set_out(browser)
    with TestClient(share_application(services)) as lured:
        answer = come_back(lured, url)
        assert answer.status_code == 403
        assert "not begun in this browser" in answer.json()["detail"]
        lured.get("/v1/sign-in", follow_redirects=False)  # with a cookie of its own
        assert come_back(lured, url).status_code == 403
        assert SESSION not in lured.cookies


def test_a_code_is_good_once(browser: TestClient) -> None:
    url = set_out(browser)
    secret = browser.cookies[COOKIE]
    assert come_back(browser, url).status_code == 303
    browser.cookies.set(COOKIE, secret, path="/v1/sign-in")
    again = come_back(browser, url)
    assert again.status_code == 401
    assert "invalid_grant" in again.json()["detail"]


def test_a_stolen_code_is_worth_nothing(browser: TestClient, services: Container) -> None:
    """The thief has a state and a verifier of its own: the issuer sees that it is another."""
    code = parse_qs(urlsplit(set_out(browser)).query)["code"][0]
    with TestClient(share_application(services)) as thief:
        answer = thief.get("/v1/sign-in", follow_redirects=False)
        state = parse_qs(urlsplit(answer.headers["Location"]).query)["state"][0]
        stolen = thief.get("/v1/sign-in/callback", params={"code": code, "state": state})
    assert stolen.status_code == 401
    assert "invalid_grant" in stolen.json()["detail"]


@ON_ANY_DATABASE
@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": 7}, "nonce"),
        ({"aud": "another"}, "audience"),
        ({"aud": "hyperadam-api"}, "audience"),
        ({"azp": "another"}, "azp"),
        ({"iss": "https://other.example.com"}, "issuer"),
        ({"exp": 1}, "expired"),
    ],
)
def test_its_word_must_be_for_this_sign_in(
    browser: TestClient, issuer: TestIssuer, claims: dict[str, Any], why: str
) -> None:
    issuer.id_claims = claims
    answer = come_back(browser, set_out(browser))
    assert answer.status_code == 401
    assert why in answer.json()["detail"]
    assert SESSION not in browser.cookies


@ON_ANY_DATABASE
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"state": "another"}, "not begun"),
        ({"state": "ä"}, "not begun"),
        ({"iss": "https://other.example.com"}, "Another issuer"),
        ({"code": ""}, "it gave no code"),
        ({"code": "", "error": "access_denied"}, "access_denied"),
        ({"code": "", "error": "<b>hello</b>"}, "it gave no code"),
        ({"code": "x" * 5000}, "it gave no code"),
    ],
)
def test_what_comes_back_is_checked(browser: TestClient, change: dict[str, str], why: str) -> None:
    parts = urlsplit(set_out(browser))
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    answer = browser.get(parts.path, params={**query, **change})
    assert answer.status_code == 403
    assert why in answer.json()["detail"]


def test_nobody_of_no_group(browser: TestClient, issuer: TestIssuer) -> None:
    issuer.person = {"groups": ["unknown"], "name": "Eve"}
    answer = come_back(browser, set_out(browser))
    assert answer.status_code == 403
    assert answer.json()["detail"].startswith("'Eve' is in no group that has rights here")
    assert SESSION not in browser.cookies


def test_rights_are_those_of_the_newest_word(browser: TestClient, issuer: TestIssuer) -> None:
    come_back(browser, set_out(browser))
    moment = int(time.time())
    token = issuer.sign(groups=["red-team"], iat=moment + 2)
    assert browser.get("/v1/keys/self", headers=bearer(token)).status_code == 200
    assert browser.get("/v1/keys/self").json()["project"] == "red"
    gone = issuer.sign(groups=[], iat=moment + 3)
    assert browser.get("/v1/keys/self", headers=bearer(gone)).status_code == 403
    assert browser.get("/v1/keys/self").status_code == 401


def test_a_token_opens_no_session(browser: TestClient, issuer: TestIssuer) -> None:
    answer = browser.put("/v1/session", headers=bearer(issuer.sign()))
    assert answer.status_code == 403
    assert "sign in on the dashboard" in answer.json()["detail"]


def test_while_the_issuer_is_away(browser: TestClient, issuer: TestIssuer) -> None:
    url = set_out(browser)
    issuer.status = 503
    assert come_back(browser, url).status_code == 503


def test_away_from_the_start(browser: TestClient, issuer: TestIssuer) -> None:
    issuer.status = 503
    answer = browser.get("/v1/sign-in")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_an_issuer_that_takes_secrets_in_forms(browser: TestClient, issuer: TestIssuer) -> None:
    issuer.discovery = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert come_back(browser, set_out(browser)).status_code == 303


@pytest.fixture
def proxied(services: Container, browser: TestClient) -> Iterator[TestClient]:
    """Below a path of a proxy that speaks https."""
    app = stand_behind(share_application(services), "testclient", "/hyperadam")
    with TestClient(app, base_url="https://lab.example.com", follow_redirects=False) as client:
        yield client


def test_below_a_path_of_a_proxy(proxied: TestClient) -> None:
    url = set_out(proxied, "/hyperadam/v1/sign-in")
    assert url.startswith("https://lab.example.com/hyperadam/v1/sign-in/callback?")
    back = come_back(proxied, url)
    assert back.headers["Location"] == "../../"
    cookies = read_cookies(back)
    assert cookies[SESSION]["path"] == "/hyperadam/v1"
    assert cookies[SESSION]["secure"]
    assert proxied.get("/hyperadam/v1/keys/self").json()["full_name"] == "Ada Lovelace"


def test_without_a_client_nobody_signs_in(client: TestClient, services: Container) -> None:
    settings = services.settings.model_copy(update={"oidc_client_id": ""})
    object.__setattr__(services, "settings", settings)
    services.__dict__.pop("sign_in", None)
    assert client.get("/v1/sign-in").status_code == 404
    assert client.get("/v1/sign-in/callback").status_code == 404
    with TestClient(share_application(services)) as visitor:
        assert "sign_in" not in visitor.get("/v1/jobs").json()


def test_a_fixed_address_to_come_back_to(browser: TestClient, services: Container) -> None:
    base = "https://lab.example.com/hyperadam"
    settings: Settings = services.settings.model_copy(update={"oidc_redirect_base": base})
    object.__setattr__(services, "settings", settings)
    answer = browser.get("/v1/sign-in", headers={"Host": "evil.example.com"})
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert query["redirect_uri"] == [f"{base}/v1/sign-in/callback"]

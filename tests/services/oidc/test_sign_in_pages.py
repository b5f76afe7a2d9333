"""A sign-in that fails ends on a page that people can read."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest
from fastapi.testclient import TestClient

from services.container import Container
from services.proxies.layers import stand_behind
from tests.services.application import share_application
from tests.services.oidc.issuer import TestIssuer

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Page(HTMLParser):
    """Its elements, its words, and where its links lead."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.words = ""
        self.links: list[str] = []
        assert answer.headers["content-type"] == "text/html; charset=utf-8", answer.text
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name == "style" or name.startswith("on")]
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        self.words += data


def sign_in(browser: TestClient, issuer: TestIssuer, **claims: Any) -> Any:
    """There, and back with a word of the issuer that is not accepted."""
    issuer.person = claims
    out = browser.get("/v1/sign-in", headers=BROWSER, follow_redirects=False)
    there = httpx2.get(out.headers["Location"])
    return browser.get(there.headers["Location"], headers=BROWSER)


@pytest.fixture
def browser(visitor: TestClient) -> TestClient:
    return visitor


def test_it_says_why_in_the_dashboards_style(browser: TestClient, issuer: TestIssuer) -> None:
    answer = sign_in(browser, issuer, groups=["unknown"], name="Eve")
    assert (answer.status_code, answer.url.path) == (403, "/v1/sign-in/callback")
    page = Page(answer)
    assert "You are not signed in" in page.words
    assert "'Eve' is in no group that has rights here: ask the operator for one." in page.words
    assert answer.headers["X-Request-Id"] in page.words
    home = browser.get("/", headers=BROWSER)
    for link in page.links:
        assert browser.get(urljoin(str(answer.url), link)).status_code == 200
    assert urljoin(str(answer.url), page.links[-1]) == str(home.url)


def test_it_is_guarded_as_other_pages_are(browser: TestClient, issuer: TestIssuer) -> None:
    answer = sign_in(browser, issuer, groups=[])
    page = browser.get("/")
    for name in ("Cross-Origin-Opener-Policy", "Referrer-Policy", "X-Content-Type-Options"):
        assert answer.headers[name] == page.headers[name]
    policy = dict(re.findall(r"([a-z-]+) ([^;]+)", answer.headers["Content-Security-Policy"]))
    assert policy["default-src"] == "'none'"
    assert "script-src" not in policy
    assert policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "script" not in Page(answer).tags


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_what_the_issuer_says_is_text(browser: TestClient, issuer: TestIssuer, name: str) -> None:
    page = Page(sign_in(browser, issuer, groups=[], name=name))
    assert name in page.words
    assert "script" not in page.tags
    assert "x" not in page.links


def test_the_reason_stays_what_it_is(browser: TestClient, issuer: TestIssuer) -> None:
    answer = browser.get("/v1/sign-in/callback?state=x&code=y", headers=BROWSER)
    assert answer.status_code == 403
    assert "begin again" in Page(answer).words
    issuer.id_claims = {"nonce": "another"}
    refused = sign_in(browser, issuer)
    assert refused.status_code == 401
    assert "(nonce)" in Page(refused).words


def test_while_the_issuer_is_away(browser: TestClient, issuer: TestIssuer) -> None:
    issuer.status = 503
    answer = browser.get("/v1/sign-in", headers=BROWSER)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    page = Page(answer)
    assert "The issuer does not answer: try again." in page.words
    assert urljoin(str(answer.url), page.links[-1]).endswith("testserver/")


def test_below_a_path_of_a_proxy(services: Container, browser: TestClient) -> None:
    app = stand_behind(share_application(services), "testclient", "/hyperadam")
    with TestClient(app, base_url="https://lab.example.com") as proxied:
        answer = proxied.get("/hyperadam/v1/sign-in/callback", headers=BROWSER)
        page = Page(answer)
        assert urljoin(str(answer.url), page.links[-1]) == "https://lab.example.com/hyperadam/"


def test_a_program_gets_a_document(browser: TestClient, issuer: TestIssuer) -> None:
    answer = browser.get("/v1/sign-in/callback")
    assert answer.headers["content-type"] == "application/problem+json"
    other = browser.get("/v1/jobs", headers=BROWSER)
    assert other.headers["content-type"] == "application/problem+json"

"""Keys of the issuer: rotated, asked for seldom, and known while it is away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.container import Container
from services.oidc import fetching
from services.oidc import issuer as issuers
from services.oidc.fetching import IssuerUnavailable, fetch_json
from services.oidc.issuer import Issuer, UnknownKey
from tests.services.oidc.issuer import Key, TestIssuer, bearer


class Clock:
    """It stands still until the test moves it."""

    def __init__(self) -> None:
        self.moment = 100.0

    def __call__(self) -> float:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def known(issuer: TestIssuer, clock: Clock) -> Issuer:
    return Issuer(issuer.url, clock)


def find(known: Issuer, key_id: str | None, algorithm: str = "ES256") -> Any:
    return asyncio.run(known.find_key(key_id, algorithm))


def test_keys_are_kept(issuer: TestIssuer, known: Issuer, clock: Clock) -> None:
    for _ in range(5):
        assert find(known, "first")["kid"] == "first"
        clock.moment += 60
    assert issuer.count("/keys") == 1


def test_a_new_key_is_found_and_an_old_one_is_gone(
    issuer: TestIssuer, known: Issuer, clock: Clock
) -> None:
    find(known, "first")
    new = issuer.rotate()
    clock.moment += issuers.ASK_SECONDS
    assert find(known, new.id)["kid"] == new.id
    clock.moment += issuers.ASK_SECONDS
    with pytest.raises(UnknownKey):
        find(known, "first")


def test_drawn_key_ids_do_not_hammer_the_issuer(
    issuer: TestIssuer, known: Issuer, clock: Clock
) -> None:
    find(known, "first")
    clock.moment += issuers.ASK_SECONDS
    for number in range(50):
        with pytest.raises(UnknownKey):
            find(known, f"drawn-{number}")
    assert issuer.count("/keys") == 2
    assert find(known, "first")


def test_many_that_come_at_once_wait_for_one_look(issuer: TestIssuer, known: Issuer) -> None:
    issuer.delay_seconds = 0.05

    async def ask_often() -> list[Any]:
        return await asyncio.gather(*(known.find_key("first", "ES256") for _ in range(20)))

    assert len(asyncio.run(ask_often())) == 20
    assert issuer.count("/keys") == 1


def test_while_it_is_away_known_keys_count(issuer: TestIssuer, known: Issuer, clock: Clock) -> None:
    find(known, "first")
    issuer.status = 503
    clock.moment += 10 * issuers.FRESH_SECONDS
    assert find(known, "first")["kid"] == "first"
    with pytest.raises(IssuerUnavailable):
        find(known, "new")
    issuer.status = 200
    clock.moment += issuers.ASK_SECONDS
    assert find(known, None)["kid"] == "first"


def test_what_is_old_is_asked_for_beside_the_requests(
    issuer: TestIssuer, known: Issuer, clock: Clock
) -> None:
    find(known, "first")
    issuer.rotate()
    clock.moment += issuers.FRESH_SECONDS + 1
    assert find(known, "first")  # it does not wait
    assert known._asking is not None
    known._asking.result(5)
    clock.moment += issuers.ASK_SECONDS
    with pytest.raises(UnknownKey):
        find(known, "first")


def test_without_a_key_id_there_must_be_one_key(issuer: TestIssuer, known: Issuer) -> None:
    issuer.keys.append(Key("second"))
    with pytest.raises(UnknownKey):
        find(known, None)
    assert find(known, "second")


def test_a_key_is_for_its_algorithm(known: Issuer) -> None:
    with pytest.raises(UnknownKey):
        find(known, "first", "RS256")
    with pytest.raises(UnknownKey):
        find(known, "first", "ES384")


@pytest.mark.parametrize(
    ("discovery", "why"),
    [
        ({"issuer": "https://other.example.com"}, "calls itself"),
        ({"jwks_uri": "http://other.example.com/keys"}, "https"),
        ({"jwks_uri": "file:///etc/passwd"}, "https"),
        ({"jwks_uri": 7}, "no text"),
        ({"jwks_uri": None}, "jwks_uri"),
        ({"token_endpoint": "https://user@host/"}, "without user"),
    ],
)
def test_what_it_says_of_itself_is_checked(
    issuer: TestIssuer, known: Issuer, discovery: dict[str, Any], why: str
) -> None:
    issuer.discovery = discovery
    with pytest.raises(IssuerUnavailable, match=why):
        find(known, "first")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<html>", "JSON"),
        (b"[]", "no keys|object"),
        (b'{"keys": []}', "no keys"),
        (b'{"keys": "x"}', "no keys"),
        (b'{"keys":"' + b"x" * fetching.MAX_BYTES + b'"}', "more than"),
    ],
)
def test_what_it_answers_is_bounded_and_checked(
    issuer: TestIssuer, known: Issuer, content: bytes, why: str
) -> None:
    issuer.raw["/keys"] = content
    with pytest.raises(IssuerUnavailable, match=why):
        find(known, "first")


def test_no_redirect_is_followed(issuer: TestIssuer) -> None:
    query = "response_type=code&client_id=hyperadam-dashboard&code_challenge_method=S256"
    with pytest.raises(IssuerUnavailable, match="status 302"):
        fetch_json(f"{issuer.url}/authorize?{query}&scope=openid&state=s&redirect_uri=/keys")
    assert issuer.asked == ["/authorize"]


@pytest.mark.parametrize("url", ["http://example.com/", "file:///etc/passwd", "ftp://example.com/"])
def test_only_https_is_asked(url: str) -> None:
    with pytest.raises(IssuerUnavailable, match="https"):
        fetch_json(url)


def test_a_silent_issuer_is_given_up(issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer.delay_seconds = 0.3
    monkeypatch.setattr(fetching, "SILENCE_SECONDS", 0.05)
    with pytest.raises(IssuerUnavailable, match="is silent"):
        fetch_json(f"{issuer.url}/keys")


def test_an_issuer_whose_headers_drip_is_given_up(
    issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never silent, and never through."""
    issuer.drip_seconds = 0.02
    monkeypatch.setattr(fetching, "WHOLE_SECONDS", 0.3)
    with pytest.raises(IssuerUnavailable, match=r"takes more than 0\.3 s"):
        fetch_json(f"{issuer.url}/token", {"code": "x"})


def test_over_rest(visitor: TestClient, issuer: TestIssuer, services: Container) -> None:
    """Away from the start: 503; a key that is not published: 401."""
    issuer.status = 503
    away = visitor.get("/v1/jobs", headers=bearer(issuer.sign()))
    assert away.status_code == 503
    assert away.json()["type"] == "/problems/unavailable"
    assert int(away.headers["Retry-After"]) > 0
    issuer.status = 200
    services.issuer._ask_again_at = 0.0
    assert visitor.get("/v1/jobs", headers=bearer(issuer.sign())).status_code == 200
    unknown = visitor.get("/v1/jobs", headers=bearer(issuer.sign(Key("mine"))))
    assert unknown.status_code == 401
    assert "publish" in unknown.json()["detail"]
    issuer.status = 503
    assert visitor.get("/v1/jobs", headers=bearer(issuer.sign())).status_code == 200

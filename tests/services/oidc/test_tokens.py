"""Which tokens are the issuer's, for us, and valid now: each refusal with the smallest input."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fastapi.testclient import TestClient

from services.container import Container
from services.oidc.checking import TokenCheck
from services.oidc.issuer import Issuer
from services.oidc.tokens import MAX_TOKEN_CHARS, BadToken, Claims
from tests.services.oidc.issuer import AUDIENCE, CLIENT, Key, TestIssuer, bearer

Check = Callable[[str], Claims]
PRIVATE: dict[str, Callable[[], Any]] = {
    "RS": partial(rsa.generate_private_key, 65537, 2048),
    "PS": partial(rsa.generate_private_key, 65537, 2048),
    "ES": partial(ec.generate_private_key, ec.SECP256R1()),
    "Ed": ed25519.Ed25519PrivateKey.generate,
}
"""First letters of an algorithm → a new key for it."""


@pytest.fixture
def check(issuer: TestIssuer, tmp_path: Path) -> Check:
    """Checks a token as a service does that knows the issuer."""
    settings = issuer.make_settings(tmp_path, "sqlite://")
    checking = TokenCheck(settings, Issuer(issuer.url))
    return lambda token: asyncio.run(checking.check(token, AUDIENCE))


def at(claims: dict[str, Any]) -> dict[str, Any]:
    """Seconds from now, as the moments that they are."""
    moments = {}
    for name, value in claims.items():
        is_moment = name in {"exp", "nbf", "iat"} and type(value) is int
        moments[name] = int(time.time()) + value if is_moment else value
    return moments


def ask(visitor: TestClient, token: str) -> Any:
    return visitor.get("/v1/keys/self", headers=bearer(token))


def test_a_token_says_who_asks(visitor: TestClient, issuer: TestIssuer) -> None:
    answer = ask(visitor, issuer.sign())
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "id": answer.json()["id"],
        "name": f"{issuer.url} ada",
        "full_name": "Ada Lovelace",
        "scopes": ["read", "submit"],
        "project": "blue",
        "sees_all": False,
    }


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": -31}, "expired"),
        ({"exp": None}, "exp"),
        ({"nbf": 300}, "not yet valid"),
        ({"iat": 300}, "not yet valid"),
        ({"iat": None}, "iat"),
        ({"aud": "another"}, "another audience"),
        ({"aud": [CLIENT]}, "another audience"),
        ({"aud": None}, "aud"),
        ({"iss": "https://other.example.com"}, "issuer"),
        ({"iss": None}, "iss"),
        ({"sub": None}, "sub"),
        ({"sub": 7}, "Subject must be a string"),
        ({"sub": ""}, "subject"),
        ({"sub": "ada lovelace"}, "subject"),
        ({"sub": "a\u0000"}, "subject"),
        ({"sub": "a" * 200}, "200 characters"),
        ({"groups": {"blue-team": True}}, "no list of texts"),
        ({"groups": ["blue-team", 1]}, "no list of texts"),
        ({"exp": 1e300}, "cannot be read"),
        ({"exp": []}, "integer|number|read"),
        ({"iat": 1e300}, "not yet valid|read"),
    ],
)
def test_its_claims(check: Check, issuer: TestIssuer, claims: dict[str, Any], why: str) -> None:
    with pytest.raises(BadToken, match=why):
        check(issuer.sign(**at(claims)))


@pytest.mark.parametrize("claims", [{"exp": -5}, {"nbf": 20}, {"iat": 20}])
def test_clocks_may_differ_a_little(
    check: Check, issuer: TestIssuer, claims: dict[str, Any]
) -> None:
    assert check(issuer.sign(**at(claims))).subject == "ada"


def encode(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def test_no_signature_is_none(check: Check, issuer: TestIssuer) -> None:
    _, payload, signature = issuer.sign().split(".")
    for header in ({"alg": "none"}, {"alg": "None", "kid": "first"}, {"kid": "first"}, []):
        for tail in ("", signature):
            with pytest.raises(BadToken, match=r"algorithm|header"):
                check(f"{encode(header)}.{payload}.{tail}")


def test_a_public_key_is_no_secret(check: Check, issuer: TestIssuer) -> None:
    """Of old libraries: signed with HS256, the issuer's published key as the secret."""
    public = issuer.keys[0].private.public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    claims = jwt.decode(issuer.sign(), options={"verify_signature": False})
    head = f"{encode({'alg': 'HS256', 'kid': 'first'})}.{encode(claims)}"
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    for secret in (pem, json.dumps(issuer.keys[0].to_jwk()).encode()):
        mac = base64.urlsafe_b64encode(algorithm.sign(head.encode(), secret)).rstrip(b"=")
        with pytest.raises(BadToken, match="algorithm"):
            check(f"{head}.{mac.decode()}")


@pytest.mark.parametrize(
    "headers",
    [
        {"jwk": Key("mine").to_jwk(), "kid": "mine"},
        {"jku": "http://127.0.0.1:1/keys", "kid": "mine"},
        {"x5u": "http://127.0.0.1:1/keys", "kid": "mine"},
        {"crit": ["exp"], "exp": 1},
        {"kid": "../../etc/passwd"},
    ],
)
def test_a_token_brings_no_key_of_its_own(
    check: Check, issuer: TestIssuer, headers: dict[str, Any]
) -> None:
    with pytest.raises(BadToken):
        check(issuer.sign(Key("mine"), headers))
    assert issuer.count("/keys") <= 1


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "ES256", "EdDSA"])
def test_kinds_of_keys(issuer: TestIssuer, tmp_path: Path, algorithm: str) -> None:
    """As issuers publish them, also without saying for which algorithm."""
    private = PRIVATE[algorithm[:2]]()
    kind = jwt.get_algorithm_by_name(algorithm)
    public = json.loads(kind.to_jwk(private.public_key()))
    issuer.raw["/keys"] = json.dumps({"keys": [{**public, "kid": "k"}]}).encode()
    claims = jwt.decode(issuer.sign(), options={"verify_signature": False})
    token = jwt.encode(claims, private, algorithm, {"kid": "k"})
    for accepted, is_in in ((algorithm, True), ("ES512", False)):
        settings = issuer.make_settings(tmp_path, "sqlite://", oidc_algorithms=accepted)
        checking = TokenCheck(settings, Issuer(issuer.url))
        if is_in:
            assert asyncio.run(checking.check(token, AUDIENCE)).subject == "ada"
            continue
        with pytest.raises(BadToken, match="algorithm"):
            asyncio.run(checking.check(token, AUDIENCE))


def test_a_short_key_is_none(issuer: TestIssuer, check: Check) -> None:
    private = rsa.generate_private_key(65537, 1024)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
    issuer.raw["/keys"] = json.dumps({"keys": [{**public, "kid": "k"}]}).encode()
    claims = jwt.decode(issuer.sign(), options={"verify_signature": False})
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = jwt.encode(claims, private, "RS256", {"kid": "k"})
    with pytest.raises(BadToken):
        check(token)


def test_what_was_changed_is_refused(check: Check, issuer: TestIssuer) -> None:
    head, payload, signature = issuer.sign(groups=["blue-guests"]).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged = f"{head}.{encode({**claims, 'groups': ['platform']})}.{signature}"
    another = issuer.sign(Key("first"))  # its id, another's signature
    for token in (forged, another):
        with pytest.raises(BadToken, match="Signature"):
            check(token)


@pytest.mark.parametrize("token", ["a.b.c", "a..", "e30.e30.e30", "a.b.c.d", "a" * 5000 + ".b.c"])
def test_what_is_no_token(check: Check, token: str) -> None:
    with pytest.raises(BadToken):
        check(token)


def test_a_long_token_is_not_even_read(check: Check, issuer: TestIssuer) -> None:
    with pytest.raises(BadToken, match="characters"):
        check(issuer.sign(padding="x" * MAX_TOKEN_CHARS))
    assert issuer.asked == []


def test_over_rest(visitor: TestClient, issuer: TestIssuer) -> None:
    answer = ask(visitor, issuer.sign(aud="another"))
    assert answer.status_code == 401
    assert answer.json()["detail"] == "The token is not accepted. It is for another audience."
    assert answer.json()["type"] == "/problems/unauthorized"
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_without_an_audience_no_token_is_taken(visitor: TestClient, services: Container) -> None:
    services.__dict__.pop("bearer_tokens")
    settings = services.settings.model_copy(update={"oidc_audience": ""})
    object.__setattr__(services, "settings", settings)
    answer = ask(visitor, "a.b.c")
    assert answer.status_code == 401
    assert "The API key is not known" in answer.json()["detail"]

"""A small issuer of OpenID Connect: a real server on loopback with discovery, keys that rotate, an
authorization endpoint that signs its one person in, and a token endpoint that checks PKCE."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from services.settings import Settings
from tests.services.http_servers import run_http_server

AUDIENCE = "hyperadam-api"
CLIENT = "hyperadam-dashboard"
SECRET = "the client's secret"
GROUPS = {
    "red-team": {"red": "submit"},
    "blue-team": {"blue": "submit"},
    "blue-guests": {"blue": "read"},
    "platform": "admin",
}
"""What its groups may do in the services of tests."""


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Key:
    """One that the issuer signs with."""

    id: str
    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def to_jwk(self) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key()))
        return {**public, "kid": self.id, "use": "sig", "alg": "ES256"}


@dataclass
class TestIssuer:
    """What it answers, whom it signs in, and what it was asked."""

    __test__ = False

    port: int = 0
    keys: list[Key] = field(default_factory=lambda: [Key("first")])
    """Those that it publishes; it signs with the last."""
    person: dict[str, Any] = field(default_factory=dict)
    """Claims of who signs in."""
    discovery: dict[str, Any] = field(default_factory=dict)
    """Members of the discovery document in place of the usual ones."""
    raw: dict[str, bytes] = field(default_factory=dict)
    """Path → bytes that are answered in place of the usual document."""
    status: int = 200
    """503: it is away."""
    delay_seconds: float = 0.0
    drip_seconds: float = 0.0
    """Between two bytes of headers that never end; 0: it answers as usual."""
    asked: list[str] = field(default_factory=list)
    """Paths of all requests."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Code → the query that it was given for; each is good once."""
    id_claims: dict[str, Any] = field(default_factory=dict)
    """Claims of ID tokens in place of the usual ones."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def make_settings(self, home: Path, database_url: str, **more: Any) -> Settings:
        """Of a service that knows this issuer."""
        return Settings(
            home=home,
            database_url=database_url,
            executor="process",
            heartbeat_seconds=0.3,
            oidc_issuer=self.url,
            oidc_audience=AUDIENCE,
            oidc_client_id=CLIENT,
            oidc_client_secret=SECRET,
            oidc_groups=json.dumps(GROUPS),
            oidc_title="Lab",
            **more,
        )

    def count(self, path: str) -> int:
        return sum(asked == path for asked in self.asked)

    def rotate(self) -> Key:
        """It signs with a new key, and publishes that alone."""
        self.keys = [Key(secrets.token_hex(4))]
        return self.keys[0]

    def sign(
        self, key: Key | None = None, headers: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """A token; claims that are None are left out."""
        key = key or self.keys[-1]
        moment = int(time.time())
        usual = {
            "iss": self.url,
            "sub": "ada",
            "aud": AUDIENCE,
            "iat": moment,
            "exp": moment + 300,
            "name": "Ada Lovelace",
            "groups": ["blue-team"],
        }
        every = {**usual, **claims}
        kept = {name: value for name, value in every.items() if value is not None}
        return jwt.encode(kept, key.private, "ES256", {"kid": key.id, **(headers or {})})

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser goes back to."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.url}
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Status and answer of the token endpoint."""
        expected = base64.b64encode(b"hyperadam-dashboard:the+client%27s+secret").decode()
        in_form = self.discovery.get("token_endpoint_auth_methods_supported")
        is_proven = authorization == f"Basic {expected}"
        if in_form:
            is_proven = not authorization and form.get("client_secret") == SECRET
        if not is_proven:
            return 401, {"error": "invalid_client"}
        query = self.codes.pop(form.get("code", ""), None)
        if query is None or form["redirect_uri"] != query["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if challenge != query["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        claims = {"aud": CLIENT, "nonce": query["nonce"], **self.person, **self.id_claims}
        return 200, {"token_type": "Bearer", "access_token": "x", "id_token": self.sign(**claims)}

    def describe(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            **self.discovery,
        }

    def answer(self, method: str, path: str, body: bytes, headers: Any) -> tuple[int, Any, str]:
        """Status, document, and where a redirect leads."""
        parts = urlsplit(path)
        self.asked.append(parts.path)
        time.sleep(self.delay_seconds)
        if self.status != 200:
            return self.status, {}, ""
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        match method, parts.path:
            case "GET", "/.well-known/openid-configuration":
                return 200, self.describe(), ""
            case "GET", "/keys":
                return 200, {"keys": [key.to_jwk() for key in self.keys]}, ""
            case "GET", "/authorize":
                return 302, {}, self.authorize(query)
            case "POST", "/token":
                return *self.exchange(form, headers.get("Authorization", "")), ""
        return 404, {}, ""


@contextmanager
def run_issuer() -> Iterator[TestIssuer]:
    issuer = TestIssuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, document, location = issuer.answer(self.command, self.path, body, self.headers)
            if issuer.drip_seconds:
                self.drip()
                return
            content = issuer.raw.get(self.path, json.dumps(document).encode())
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def drip(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while issuer.drip_seconds:
                self.wfile.write(b"x")
                time.sleep(issuer.drip_seconds)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with run_http_server(Handler) as issuer.port:
        yield issuer

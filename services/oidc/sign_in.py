"""People sign in on the dashboard: OpenID Connect's authorization code flow with PKCE.

The browser goes to the issuer with three words, and comes back with a code, which is exchanged for
an ID token. All three are drawn from one secret that only this browser has, in a cookie, so that
nothing is kept here of who has merely set out:

    state      comes back with the code: it was this browser that set out (RFC 6749)
    nonce      stands in the ID token: it was made for this sign-in (OpenID Connect)
    verifier   goes with the code: who exchanges it is who set out (RFC 7636)
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self
from urllib.parse import quote_plus, urlencode, urlsplit

from services.auth.scopes import Principal
from services.oidc.admission import Admission
from services.oidc.checking import RETRY_HEADERS, TokenCheck
from services.oidc.fetching import IssuerRefused, IssuerUnavailable, fetch_json
from services.oidc.issuer import WAIT_SECONDS, Issuer, Knowledge
from services.oidc.settings import OidcSettings
from services.oidc.tokens import BadToken, Claims
from services.problems import Forbidden, Unauthorized, Unavailable

SECONDS: Final = 600
"""From setting out to coming back."""
EXCHANGES: Final = 4
"""Codes that one process exchanges at a time: whoever draws codes keeps no more threads busy."""


@dataclass(frozen=True)
class Attempt:
    """One browser's way to the issuer and back."""

    secret: str

    @classmethod
    def begin(cls) -> Self:
        """A new one."""
        return cls(secrets.token_urlsafe(32))

    @property
    def state(self) -> str:
        return self._derive("state")

    @property
    def nonce(self) -> str:
        return self._derive("nonce")

    @property
    def verifier(self) -> str:
        return self._derive("verifier")

    @property
    def challenge(self) -> str:
        """What the issuer knows of the verifier, before it sees it."""
        return _encode(hashlib.sha256(self.verifier.encode()).digest())

    def is_answered_by(self, state: str) -> bool:
        """Compared in constant time."""
        return hmac.compare_digest(self.state.encode(), state.encode())

    def _derive(self, word: str) -> str:
        return _encode(hmac.digest(self.secret.encode(), word.encode(), "sha256"))


class SignIn:
    """Of one dashboard, as a client of the issuer."""

    def __init__(
        self, settings: OidcSettings, issuer: Issuer, checking: TokenCheck, admission: Admission
    ) -> None:
        self._settings = settings
        self._issuer = issuer
        self._checking = checking
        self._admission = admission
        self._threads = ThreadPoolExecutor(EXCHANGES, "sign-in")
        self.title: Final = settings.oidc_title or urlsplit(settings.oidc_issuer).netloc
        """Of the issuer, for people."""

    async def make_url(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where the browser goes.

        Raises:
            Unavailable: the issuer does not say.
        """
        known = await self._describe_issuer()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._settings.oidc_client_id,
                "redirect_uri": redirect_uri,
                "scope": self._settings.oidc_scope,
                "state": attempt.state,
                "nonce": attempt.nonce,
                "code_challenge": attempt.challenge,
                "code_challenge_method": "S256",
            }
        )
        separator = "&" if "?" in known.authorization_endpoint else "?"
        return f"{known.authorization_endpoint}{separator}{query}"

    async def finish(self, attempt: Attempt, code: str, redirect_uri: str) -> Principal:
        """Who came back with the code.

        Raises:
            Unauthorized: the issuer does not take the code, or its word is not for this sign-in.
            Forbidden: the person has no rights here.
            Unavailable: the issuer does not answer.
        """
        try:
            token = await self._exchange(attempt, code, redirect_uri)
            claims = await self._checking.check(token, self._settings.oidc_client_id)
            self._check_purpose(attempt, claims)
        except IssuerRefused as error:
            raise Unauthorized(f"The issuer did not take the sign-in: {error}.") from error
        except BadToken as error:
            raise Unauthorized(f"The issuer's ID token is not accepted. {error}") from error
        return await self._admission.admit(claims)

    def _check_purpose(self, attempt: Attempt, claims: Claims) -> None:
        nonce = claims.every.get("nonce")
        if not isinstance(nonce, str) or not hmac.compare_digest(
            nonce.encode(), attempt.nonce.encode()
        ):
            raise BadToken("It was not made for this sign-in (nonce).")
        client = self._settings.oidc_client_id
        if claims.every.get("azp", client) != client:
            raise BadToken("It was made for another client (azp).")

    async def _exchange(self, attempt: Attempt, code: str, redirect_uri: str) -> str:
        known = await self._describe_issuer()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self._settings.oidc_client_id,
            "code_verifier": attempt.verifier,
        }
        headers = self._prove_client(known, form)
        ask = partial(fetch_json, known.token_endpoint, form, headers)
        asking = asyncio.get_running_loop().run_in_executor(self._threads, ask)
        try:
            answer: dict[str, Any] = await asyncio.wait_for(asking, WAIT_SECONDS)
        except (IssuerUnavailable, TimeoutError) as error:
            raise _unavailable() from error
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise BadToken("There is none.")
        return token

    def _prove_client(self, known: Knowledge, form: dict[str, str]) -> Mapping[str, str]:
        """The client's secret, if it has one: in the headers, or for some issuers in the form."""
        secret = self._settings.oidc_client_secret.get_secret_value()
        if not secret:
            return {}
        if known.secret_in_form:
            form["client_secret"] = secret
            return {}
        pair = f"{quote_plus(self._settings.oidc_client_id)}:{quote_plus(secret)}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    async def _describe_issuer(self) -> Knowledge:
        try:
            known = await self._issuer.describe()
        except IssuerUnavailable as error:
            raise _unavailable() from error
        if not known.authorization_endpoint or not known.token_endpoint:
            raise Unavailable("The issuer does not say where people sign in.")
        return known


def check_return(attempt: Attempt | None, answer: Mapping[str, str], issuer: str) -> str:
    """The code that a browser came back with, if it is the one that set out.

    Args:
        answer: what the issuer says, by way of the browser.

    Raises:
        Forbidden: it is not, or the issuer did not sign anybody in.
    """
    if attempt is None or not attempt.is_answered_by(answer.get("state", "")):
        raise Forbidden("The sign-in was not begun in this browser, or too long ago: begin again.")
    if answer.get("iss", issuer) != issuer:
        raise Forbidden("Another issuer than this service's has answered.")
    code = answer.get("code", "")
    if not code:
        reason = answer.get("error", "")
        is_word = reason.isascii() and reason.replace("_", "").isalnum() and len(reason) < 60
        raise Forbidden(f"The issuer signed nobody in: {reason if is_word else 'it gave no code'}.")
    return code


def _unavailable() -> Unavailable:
    return Unavailable("The issuer does not answer: try again.", headers=RETRY_HEADERS)


def _encode(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

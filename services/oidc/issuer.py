"""What the issuer says of itself: where people sign in, and by which keys its signatures are known.

It is kept in memory. A key that is not known is looked for again, at most once in a few seconds,
whoever asks and with whatever: a stranger who draws key ids makes this service ask no more than
that. While the issuer is away, what is known goes on to count.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import structlog

from services.oidc.checks import check_url
from services.oidc.fetching import IssuerUnavailable, fetch_json

ASK_SECONDS: Final = 5.0
"""Between two looks at the issuer, at least."""
FRESH_SECONDS: Final = 600.0
"""What is known for longer is asked for again, beside the requests: a key may have been taken
back."""
WAIT_SECONDS: Final = 12.0
"""A request waits for the issuer for so long, at most; it keeps no thread busy meanwhile."""
MAX_KEYS: Final = 100
_KINDS: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""First letters of an algorithm → the kind of its keys."""

log = structlog.get_logger(__name__)

PublicKey = Mapping[str, Any]
"""As JSON Web Key."""


class UnknownKey(Exception):
    """The issuer publishes no such key."""


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """What the issuer said."""

    authorization_endpoint: str
    """Where people sign in; empty: it did not say, here and below."""
    token_endpoint: str
    secret_in_form: bool
    """It takes a client's secret in the form alone, not in a header."""
    keys: Sequence[PublicKey]
    asked_at: float

    def pick(self, key_id: str | None, algorithm: str) -> PublicKey | None:
        """The one key of this id for this algorithm. A token that names none is for issuers that
        have one key."""
        fits = [key for key in self.keys if _fits(key, key_id, algorithm)]
        return fits[0] if len(fits) == 1 else None


def _fits(key: PublicKey, key_id: str | None, algorithm: str) -> bool:
    return (
        (key_id is None or key.get("kid") == key_id)
        and key.get("kty") == _KINDS[algorithm[:2]]
        and key.get("alg", algorithm) == algorithm
        and key.get("use", "sig") == "sig"
    )


class Issuer:
    """Asks one issuer. Thread-safe; for any event loop.

    Args:
        url: as the operator set it; what the issuer calls itself must be the same.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.url: Final = url
        self._clock = clock
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "issuer")
        self._asking: Future[None] | None = None
        self._ask_again_at = float("-inf")
        self._known: Knowledge | None = None
        self._failure: str | None = None
        """Why the last look brought nothing."""

    async def find_key(self, key_id: str | None, algorithm: str) -> PublicKey:
        """
        Raises:
            UnknownKey: the issuer has no such key.
            IssuerUnavailable: nobody knows, because it does not answer.
        """
        key = self._recall(key_id, algorithm)
        if key is not None:
            return key
        await self._look()
        key = self._recall(key_id, algorithm)
        if key is not None:
            return key
        if self._failure is not None:
            raise IssuerUnavailable(self._failure)
        raise UnknownKey

    async def describe(self) -> Knowledge:
        """What it said last.

        Raises:
            IssuerUnavailable: it said nothing yet.
        """
        if self._known is None:
            await self._look()
        if self._known is None:
            raise IssuerUnavailable(self._failure or f"{self.url} does not answer")
        return self._known

    def _recall(self, key_id: str | None, algorithm: str) -> PublicKey | None:
        known = self._known
        if known is None:
            return None
        key = known.pick(key_id, algorithm)
        if key is not None and self._clock() - known.asked_at > FRESH_SECONDS:
            self._ask()
        return key

    async def _look(self) -> None:
        """Wait for what is being asked, by this request or by an earlier one."""
        asking = self._ask()
        if asking is None:
            return
        waiting = asyncio.shield(asyncio.wrap_future(asking))
        try:
            await asyncio.wait_for(waiting, WAIT_SECONDS)
        except TimeoutError as error:
            raise IssuerUnavailable(f"{self.url} does not answer in time") from error

    def _ask(self) -> Future[None] | None:
        """Ask, if nobody does and nobody did a moment ago."""
        with self._lock:
            if self._asking is not None and not self._asking.done():
                return self._asking
            if self._clock() < self._ask_again_at:
                return None
            self._ask_again_at = self._clock() + ASK_SECONDS
            self._asking = self._thread.submit(self._learn)
            return self._asking

    def _learn(self) -> None:
        try:
            self._known = _read(self.url, self._clock())
            self._failure = None
        except IssuerUnavailable as error:
            self._failure = str(error)
            log.warning("oidc.issuer_unavailable", issuer=self.url, error=str(error))


def _read(url: str, asked_at: float) -> Knowledge:
    document = fetch_json(f"{url.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != url:
        said = str(document.get("issuer"))[:200]
        raise IssuerUnavailable(f"it calls itself {said!r}, and oidc_issuer is {url!r}")
    keys = fetch_json(_read_url(document, "jwks_uri")).get("keys")
    if not isinstance(keys, list) or not keys:
        raise IssuerUnavailable(f"{url} publishes no keys")
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Knowledge(
        authorization_endpoint=_read_url(document, "authorization_endpoint", needed=False),
        token_endpoint=_read_url(document, "token_endpoint", needed=False),
        secret_in_form=isinstance(methods, list) and "client_secret_basic" not in methods,
        keys=[key for key in keys[:MAX_KEYS] if isinstance(key, dict)],
        asked_at=asked_at,
    )


def _read_url(document: Mapping[str, Any], field: str, *, needed: bool = True) -> str:
    url = document.get(field, "")
    if not url and not needed:
        return ""
    try:
        if not isinstance(url, str):
            raise ValueError("is no text")
        check_url(url.partition("?")[0])
    except ValueError as error:
        raise IssuerUnavailable(f"its {field} {error}") from error
    return url

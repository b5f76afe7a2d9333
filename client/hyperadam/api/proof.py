"""The server of this machine proves itself before it is shown the key.

`server.json` outlives a server that was killed, and whoever listens on its port afterwards would
be sent the key. So each request to it is preceded by a challenge, a number that was never used
before, to which only a process that can read the home's proof key has the answer:

    proof = HMAC-SHA256(proof key, "hyperadam-proof-1 " ‖ challenge ‖ " " ‖ URL)

The URL is part of it: what listens elsewhere cannot pass the challenge on to the real server.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Generator
from typing import Final

import httpx2

from hyperadam.api.errors import UnprovenServer

CHALLENGE_HEADER: Final = "HyperAdam-Challenge"
PROOF_HEADER: Final = "HyperAdam-Proof"
CHALLENGE_PATTERN: Final = "^[0-9a-f]{64}$"
_CHALLENGE_BYTES: Final = 32


def make_proof(proof_key: str, challenge: str, url: str) -> str:
    """What the server at this URL answers to a challenge."""
    message = f"hyperadam-proof-1 {challenge} {url}"
    return hmac.new(proof_key.encode(), message.encode(), hashlib.sha256).hexdigest()


class ProvenServer(httpx2.Auth):
    """Adds the key to a request when the server has just proved that it is the home's own."""

    def __init__(self, url: str, api_key: str, proof_key: str) -> None:
        self._url = url
        self._api_key = api_key
        self._proof_key = proof_key

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        """First the challenge, then the request.

        Raises:
            UnprovenServer: the answer is not the server's; the key was not sent.
        """
        challenge = secrets.token_hex(_CHALLENGE_BYTES)
        answer = yield httpx2.Request(
            "GET",
            f"{self._url}/livez",
            headers={CHALLENGE_HEADER: challenge},
            extensions={"timeout": request.extensions.get("timeout", {})},
        )
        self._check(answer, challenge)
        request.headers["Authorization"] = f"Bearer {self._api_key}"
        yield request

    def _check(self, answer: httpx2.Response, challenge: str) -> None:
        expected = make_proof(self._proof_key, challenge, self._url)
        proof = answer.headers.get(PROOF_HEADER, "").encode()
        if not hmac.compare_digest(proof, expected.encode()):
            raise UnprovenServer(
                f"what listens on {self._url} is not the server of this machine that left its "
                "address there: it was not sent the API key. Start the server again with "
                "`hyperadam-server up`"
            )

"""Checks tokens by the keys of their issuer. The event loop goes on meanwhile: the issuer is asked
by a thread of its own."""

from __future__ import annotations

from typing import Final

from services.oidc.fetching import IssuerUnavailable
from services.oidc.issuer import ASK_SECONDS, Issuer, UnknownKey
from services.oidc.settings import OidcSettings
from services.oidc.tokens import BadToken, Claims, check_token, read_header
from services.problems import Unavailable

RETRY_HEADERS: Final = {"Retry-After": f"{ASK_SECONDS:.0f}"}


class TokenCheck:
    """Of one issuer's tokens, for whatever audience."""

    def __init__(self, settings: OidcSettings, issuer: Issuer) -> None:
        self._settings = settings
        self._issuer = issuer

    async def check(self, token: str, audience: str) -> Claims:
        """What the token says.

        Raises:
            BadToken: it is worth nothing here.
            Unavailable: nobody knows, as the issuer does not answer.
        """
        header = read_header(token, self._settings)
        try:
            key = await self._issuer.find_key(header.key_id, header.algorithm)
        except UnknownKey as error:
            raise BadToken("It is signed by a key that the issuer does not publish.") from error
        except IssuerUnavailable as error:
            raise Unavailable(
                "The issuer of the token does not answer, and its key is not known yet.",
                headers=RETRY_HEADERS,
            ) from error
        return check_token(token, header, key, audience, self._settings)

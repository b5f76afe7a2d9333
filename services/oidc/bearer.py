"""Tokens of the issuer in the header `Authorization`."""

from __future__ import annotations

from services.auth.scopes import Principal
from services.oidc.admission import Admission
from services.oidc.checking import TokenCheck


class BearerTokens:
    """Those for one audience."""

    def __init__(self, checking: TokenCheck, admission: Admission, audience: str) -> None:
        self._checking = checking
        self._admission = admission
        self._audience = audience

    async def find_principal(self, token: str) -> Principal:
        """Who asks with this token.

        Raises:
            BadToken: it is worth nothing here.
            Forbidden: it gives no rights.
            Unavailable: nobody knows, as the issuer does not answer.
        """
        claims = await self._checking.check(token, self._audience)
        return await self._admission.admit(claims)

"""Sessions of browsers: opened with an API key, or by a person of the issuer, they stand for
whoever opened them for some hours.

A browser keeps no key. It has a token in a cookie that its scripts cannot read, and the token's
digest lies here. A session ends by itself, when its holder signs out, and with its key or the
person's rights.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete

from services.auth.names import PERSON_ID_PREFIX
from services.auth.scopes import Principal
from services.auth.service import ApiKeys
from services.auth.tables import BrowserSession
from services.database.base import Database, now
from services.oidc.people import People

TOKEN_BYTES: Final = 32
_FORM: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, kw_only=True)
class NewSession:
    """A session that was just opened."""

    token: str
    """For the cookie, and never shown again."""
    expires_at: datetime


class Sessions:
    """The sessions in one database. Thread-safe.

    Args:
        seconds: how long a session lasts.
    """

    def __init__(
        self, database: Database, api_keys: ApiKeys, people: People, seconds: float
    ) -> None:
        self._database = database
        self._api_keys = api_keys
        self._people = people
        self._seconds = seconds

    def open(self, principal: Principal) -> NewSession:
        """A session of who asks. Those that are over are swept away."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        moment = now()
        expires_at = moment + timedelta(seconds=self._seconds)
        row = BrowserSession(
            hash=_hash_token(token),
            key_id=principal.key_id,
            created_at=moment,
            expires_at=expires_at,
        )
        with self._database.write() as session:
            session.execute(delete(BrowserSession).where(BrowserSession.expires_at <= moment))
            session.add(row)
        return NewSession(token=token, expires_at=expires_at)

    def verify(self, token: str) -> Principal | None:
        """Who asks; None when the session is unknown or over, or its key is worth nothing, or
        the person has no rights any more."""
        if _FORM.fullmatch(token) is None:
            return None
        with self._database.read() as session:
            row = session.get(BrowserSession, _hash_token(token))
        if row is None or row.expires_at <= now():
            return None
        if row.key_id.startswith(PERSON_ID_PREFIX):
            return self._people.find(row.key_id, row.expires_at)
        return self._api_keys.find_holder(row.key_id)

    def close(self, token: str) -> None:
        """Make a token worthless at once."""
        with self._database.write() as session:
            row = session.get(BrowserSession, _hash_token(token))
            if row is not None:
                session.delete(row)


def _hash_token(token: str) -> str:
    """The token has 256 random bits: a plain digest is out of reach of guesses."""
    return hashlib.sha256(token.encode()).hexdigest()

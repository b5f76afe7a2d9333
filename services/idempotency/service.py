"""One request that may be sent again: what it asks for is done by the first, and the others are
told of the same thing.

The key is claimed in the very transaction that makes the change, before the change. So a crash
leaves both or neither; of requests that race, all but one wait at the claim and then find it taken;
and a change that is refused leaves the key free.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.auth.scopes import Principal
from services.database.base import Database, now
from services.idempotency.tables import UsedKey
from services.problems import IdempotencyMismatch

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Done(Generic[T]):
    """What came of a request."""

    resource: str
    made: T | None
    """What the change returned; None when an earlier request with this key made it."""


@dataclass(frozen=True, kw_only=True)
class Post:
    """A POST by a principal, with its `Idempotency-Key` if it has one."""

    principal: Principal
    operation: str
    key: str | None = None

    def earlier(self, database: Database, body_sha256: str) -> str | None:
        """The resource of an earlier request with this key, if there was one.

        Raises:
            IdempotencyMismatch: it asked for something else.
        """
        if self.key is None:
            return None
        with database.read() as session:
            return self._earlier(session, body_sha256)

    def once(
        self, database: Database, body_sha256: str, resource: str, change: Callable[[Session], T]
    ) -> Done[T]:
        """Make the change, unless a request with this key has made it; one transaction with the
        claim of the key.

        Args:
            resource: id of what the change makes or changes.

        Raises:
            IdempotencyMismatch: the key was used for something else.
        """
        try:
            with database.write() as session:
                if self.key is not None:
                    if (earlier := self._earlier(session, body_sha256)) is not None:
                        return Done(resource=earlier, made=None)
                    session.add(self._claim(body_sha256, resource))
                    session.flush()
                return Done(resource=resource, made=change(session))
        except IntegrityError:  # another request with this key was faster
            earlier = self.earlier(database, body_sha256)
            if earlier is None:
                raise
            return Done(resource=earlier, made=None)

    def _earlier(self, session: Session, body_sha256: str) -> str | None:
        used = session.get(UsedKey, (self.principal.key_id, self.key))
        if used is None:
            return None
        if (used.operation, used.body_sha256) != (self.operation, body_sha256):
            raise IdempotencyMismatch("This Idempotency-Key was used before with another request.")
        return used.resource

    def _claim(self, body_sha256: str, resource: str) -> UsedKey:
        return UsedKey(
            api_key_id=self.principal.key_id,
            key=self.key,
            operation=self.operation,
            body_sha256=body_sha256,
            resource=resource,
            created_at=now(),
        )


def digest(body: BaseModel | bytes = b"") -> str:
    """SHA-256 of a body: of a document, whatever the order of its members."""
    data = (
        body
        if isinstance(body, bytes)
        else json.dumps(body.model_dump(mode="json"), sort_keys=True).encode()
    )
    return hashlib.sha256(data).hexdigest()

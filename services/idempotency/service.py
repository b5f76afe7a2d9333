"""One request that may be sent again.

What it asks for is done by the first, and the others are told of the same thing. The key is
claimed in the very transaction that makes the change, before the change. So a crash leaves both or
neither; of requests that race, all but one wait at the claim and then find it taken; and a change
that is refused leaves the key free.
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
class Outcome(Generic[T]):
    """What came of a request."""

    resource: str
    """Id of what was made or changed."""
    result: T | None
    """What the change returned; None when an earlier request with this key made it."""


@dataclass(frozen=True, kw_only=True)
class Post:
    """A POST by a principal, with its `Idempotency-Key` if it has one."""

    principal: Principal
    operation: str
    key: str | None = None

    def find_earlier(self, database: Database, body_sha256: str) -> str | None:
        """The resource of an earlier request with this key, if there was one.

        Raises:
            IdempotencyMismatch: it asked for something else.
        """
        if self.key is None:
            return None
        with database.read() as session:
            return self._find_earlier(session, body_sha256)

    def run_once(
        self, database: Database, body_sha256: str, resource: str, change: Callable[[Session], T]
    ) -> Outcome[T]:
        """Make the change, unless a request with this key has made it.

        It is one transaction with the claim of the key.

        Args:
            resource: id of what the change makes or changes.

        Raises:
            IdempotencyMismatch: the key was used for something else.
        """
        try:
            with database.write() as session:
                earlier = self._find_earlier(session, body_sha256)
                if earlier is not None:
                    return Outcome(resource=earlier, result=None)
                if self.key is not None:
                    session.add(self._claim(body_sha256, resource))
                    session.flush()
                return Outcome(resource=resource, result=change(session))
        except IntegrityError:  # another request with this key was faster
            earlier = self.find_earlier(database, body_sha256)
            if earlier is None:
                raise
            return Outcome(resource=earlier, result=None)

    @property
    def _operation_in_project(self) -> str:
        """Whoever sees several projects asks for something else in each. Rows from before there
        were projects have the operation alone."""
        return f"{self.operation} in {self.principal.project}"

    def _find_earlier(self, session: Session, body_sha256: str) -> str | None:
        if self.key is None:
            return None
        row = session.get(UsedKey, (self.principal.key_id, self.key))
        if row is None:
            return None
        operations = {self._operation_in_project, self.operation}
        if row.operation not in operations or row.body_sha256 != body_sha256:
            raise IdempotencyMismatch("This Idempotency-Key was used before with another request.")
        return row.resource

    def _claim(self, body_sha256: str, resource: str) -> UsedKey:
        return UsedKey(
            api_key_id=self.principal.key_id,
            key=self.key,
            operation=self._operation_in_project,
            body_sha256=body_sha256,
            resource=resource,
            created_at=now(),
        )


def hash_body(body: BaseModel | bytes = b"") -> str:
    """SHA-256 of a body: of a document, whatever the order of its members."""
    if isinstance(body, BaseModel):
        body = json.dumps(body.model_dump(mode="json"), sort_keys=True).encode()
    return hashlib.sha256(body).hexdigest()

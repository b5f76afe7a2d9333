"""API keys: made, listed, revoked, and verified at every request.

Verified keys are remembered for a few seconds, so that a burst of reads asks the database once. A
revocation is heard at once by the process that made it, and by the others when their memory ends.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from services.auth import keys
from services.auth.names import check_key_name
from services.auth.scopes import DEFAULT_PROJECT, Principal, add_implied
from services.auth.tables import ApiKey
from services.auth.validity import is_valid_record
from services.database.base import Database, now
from services.projects.tables import Project

MEMORY_SECONDS: Final = 5.0
MAX_REMEMBERED: Final = 1024
LONGEST_LIFE: Final = timedelta(days=3650)
LAST_USED_STEP: Final = timedelta(minutes=1)
"""`last_used_at` is written at most this often, so that reads stay reads."""

log = structlog.get_logger(__name__)


def make_principal(record: ApiKey) -> Principal:
    """Who holds the key."""
    return Principal.of_key(record.id, record.name, record.scopes, record.project)


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key that was just made."""

    key: str
    """Shown to its holder now, and never again."""
    record: ApiKey


class ApiKeys:
    """The keys in one database. Thread-safe."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._verified: dict[str, tuple[Principal, float]] = {}
        """Hash of a key → its holder, and when to forget that."""

    def create(
        self,
        name: str,
        scopes: Sequence[str],
        *,
        expires_at: datetime | None = None,
        project: str = DEFAULT_PROJECT,
    ) -> NewKey:
        """A new key.

        Raises:
            ValueError: the name is none for a key (`check_key_name`), a scope is unknown, the
                key would have expired already, or there is no such project.
        """
        new = self.draw(name, scopes, expires_at=expires_at, project=project)
        with self._database.write() as session:
            session.add(new.record)
        return new

    def draw(
        self,
        name: str,
        scopes: Sequence[str],
        *,
        expires_at: datetime | None = None,
        project: str = DEFAULT_PROJECT,
    ) -> NewKey:
        """A new key that is not in the database yet.

        Raises:
            ValueError: as `create` does.
        """
        check_key_name(name)
        if not add_implied(scopes):
            raise ValueError("scopes must not be empty")
        if expires_at is not None and not now() < expires_at <= now() + LONGEST_LIFE:
            raise ValueError(
                f"expires_at must be in the future, and at most {LONGEST_LIFE.days} days ahead"
            )

        with self._database.read() as session:
            if session.get(Project, project) is None:
                raise ValueError(f"there is no project {project!r}")

        key = keys.draw_key()
        key_id = keys.parse_id(key)
        assert key_id is not None
        record = ApiKey(
            id=key_id,
            name=name,
            prefix=f"ha_{key_id}",
            hash=keys.hash_key(key),
            scopes=sorted(set(scopes)),
            created_at=now(),
            expires_at=expires_at,
            project=project,
        )
        return NewKey(key=key, record=record)

    def get(self, key_id: str) -> ApiKey | None:
        """What is kept of one key."""
        with self._database.read() as session:
            return session.get(ApiKey, key_id)

    def list(self) -> Sequence[ApiKey]:
        """All keys, revoked ones too, oldest first."""
        with self._database.read() as session:
            return session.scalars(select(ApiKey).order_by(ApiKey.created_at, ApiKey.id)).all()

    def revoke(self, key_id: str) -> bool:
        """Make a key worthless; False when there is no such key.

        Revoking twice keeps the first moment.
        """
        with self._database.write() as session:
            record = session.get(ApiKey, key_id, with_for_update=True)
            if record is None:
                return False
            record.revoked_at = record.revoked_at or now()
        self._forget(key_id)
        return True

    def is_valid(self, key_id: str) -> bool:
        """Whether the key may still do what it may: neither revoked nor expired."""
        return self.find_holder(key_id) is not None

    def find_holder(self, key_id: str) -> Principal | None:
        """Who holds the key; None when it is unknown, revoked or expired."""
        record = self.get(key_id)
        if record is None or not is_valid_record(record):
            return None
        return make_principal(record)

    def recall(self, key: str) -> Principal | None:
        """The holder of a key that was verified a moment ago. Never blocks.

        None says nothing about the key.
        """
        with self._lock:
            entry = self._verified.get(keys.hash_key(key))
        if entry is None:
            return None
        principal, forget_at = entry
        return principal if self._clock() < forget_at else None

    def verify(self, key: str) -> Principal | None:
        """The holder of a key, or None when it is malformed, unknown, revoked or expired."""
        key_id = keys.parse_id(key)
        if key_id is None:
            return None
        record = self.get(key_id)

        # Compared in constant time, and against something even when there is no such row.
        stored_hash = record.hash if record is not None else ""
        is_same = hmac.compare_digest(stored_hash, keys.hash_key(key))
        if not is_same or record is None or not is_valid_record(record):
            return None

        self._touch(record)
        principal = make_principal(record)
        self._remember(keys.hash_key(key), principal, record.expires_at)
        return principal

    def _remember(
        self, key_hash: str, principal: Principal, expires_at: datetime | None = None
    ) -> None:
        seconds = MEMORY_SECONDS
        if expires_at is not None:
            seconds = min(seconds, (expires_at - now()).total_seconds())

        with self._lock:
            if len(self._verified) >= MAX_REMEMBERED:
                self._verified.clear()
            self._verified[key_hash] = (principal, self._clock() + seconds)

    def _forget(self, key_id: str) -> None:
        with self._lock:
            self._verified = {
                key_hash: (principal, forget_at)
                for key_hash, (principal, forget_at) in self._verified.items()
                if principal.key_id != key_id
            }

    def _touch(self, record: ApiKey) -> None:
        """Note that the key was used.

        That is a courtesy to people: when the database is busy, the request goes on without.
        """
        moment = now()
        if record.last_used_at is not None and moment - record.last_used_at < LAST_USED_STEP:
            return
        try:
            with self._database.write() as session:
                row = session.get(ApiKey, record.id)
                if row is not None:
                    row.last_used_at = moment
        except SQLAlchemyError as error:
            log.warning("auth.last_used_not_written", key_id=record.id, error=type(error).__name__)

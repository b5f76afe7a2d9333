"""Locks by name, across threads, processes and machines.

MLflow has no compare-and-set: "find by key, else create" and "append to the log" need one writer at
a time. Each kind of store gives what it has: a locked file beside a SQLite database (one machine by
nature), an advisory lock of Postgres (both are freed by the system when their holder dies), and a
lease on an MLflow server. Holders keep a lock for milliseconds and never take two.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy import Engine, text

from registry.errors import RegistryError
from registry.mlflow_backend.errors import ALREADY_EXISTS, NOT_FOUND

TIMEOUT_SECONDS: Final = 60.0
LEASE_SECONDS: Final = 30.0
LEASE_PREFIX: Final = "HYPERADAM-LOCK-"
"""Capital letters: no optimizer can be called so."""


class Locks(Protocol):
    """Mutual exclusion by name."""

    def hold(self, name: str) -> AbstractContextManager[None]:
        """Hold the lock within the block; RegistryError after a minute of waiting."""
        ...


class FileLocks:
    """One lock for all names: a file beside the database, locked by `flock`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            for _ in _poll(name):
                with suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
            yield
        finally:
            # a child that was forked meanwhile has the descriptor too: closing it is not enough
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


class PostgresLocks:
    """Advisory locks, which end with their transaction or with a dead holder's connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        digest = hashlib.sha256(f"hyperadam:{name}".encode()).digest()
        key = int.from_bytes(digest[:8], "big", signed=True)
        with self._engine.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{int(TIMEOUT_SECONDS)}s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
            yield


class LeaseLocks:
    """For an MLflow server, whose one atomic act is to create a registered model of a name that is
    free.

    A holder that died leaves the name taken; whoever has watched the same lease for `LEASE_SECONDS`
    by its own clock ends it. A holder that sleeps for longer than that within its milliseconds of
    work loses the exclusion.
    """

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        lease = LEASE_PREFIX + hashlib.sha256(name.encode()).hexdigest()[:24]
        # random, so that two who wait do not end it at the same moment
        patience_seconds = LEASE_SECONDS * random.uniform(1, 1.5)
        watched_holder: int | None = None
        watched_since = 0.0

        for now in _poll(name):
            if self._try_to_take(lease):
                break
            holder = self._find_holder(lease)
            if holder != watched_holder:
                watched_holder = holder
                watched_since = now
            elif holder is not None and now - watched_since > patience_seconds:
                self._end(lease)

        try:
            yield
        finally:
            self._end(lease)

    def _try_to_take(self, lease: str) -> bool:
        try:
            self._client.create_registered_model(lease)
        except MlflowException as error:
            # not found: the other's lease ended while MLflow looked at it
            if error.error_code in (ALREADY_EXISTS, NOT_FOUND):
                return False
            raise
        return True

    def _find_holder(self, lease: str) -> int | None:
        """The time at which the holder took the lease, which tells one holder from another."""
        with suppress(MlflowException):
            return int(self._client.get_registered_model(lease).creation_timestamp)
        return None

    def _end(self, lease: str) -> None:
        with suppress(MlflowException):
            self._client.delete_registered_model(lease)


def _poll(name: str) -> Iterator[float]:
    """The monotonic time, again and again with short sleeps.

    Raises:
        RegistryError: the time is up.
    """
    now = time.monotonic()
    deadline = now + TIMEOUT_SECONDS
    pause_seconds = 0.002
    while now < deadline:
        yield now
        time.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, 0.05)
        now = time.monotonic()
    raise RegistryError(f"the registry's lock {name!r} was not free for {TIMEOUT_SECONDS:.0f} s")

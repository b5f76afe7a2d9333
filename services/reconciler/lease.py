"""One reconciler at a time: a lease in the database, with an owner and a time at which it ends by
itself.

The holder renews it at every tick. Everything it writes about jobs goes through `guarded_write`,
which first asks, in the same transaction, whether the lease is still its own: a holder that slept
past its lease (a stopped process, a long pause of the machine) cannot write over its successor's
work.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.database.base import Database, now
from services.reconciler.tables import Lease

NAME: Final = "reconciler"
STARTING: Final = "starting"
N_DURATIONS: Final = 4
LEAST_AHEAD: Final = timedelta(minutes=2)
"""A lease that ends after so many durations, and after so long, was written by a clock that was
ahead: it is taken."""
LONGEST: Final = timedelta(hours=4)


class LeaseLost(Exception):
    """Another reconciler has taken over, or may have."""


@dataclass(frozen=True, kw_only=True)
class LeaseStatus:
    """For `/readyz`: `ok`, or what is wrong."""

    reconciler: str
    executor: str


def status(database: Database, clock: Callable[[], datetime] = now) -> LeaseStatus:
    """How the reconciler and its executor are, as any process can see it in the database."""
    with database.read() as session:
        lease = session.get(Lease, NAME)
    if lease is None or lease.expires_at <= clock():
        return LeaseStatus(
            reconciler="no reconciler is at work", executor="unknown without a reconciler"
        )
    if lease.expires_at > clock() + LONGEST:
        end = lease.expires_at.isoformat()
        return LeaseStatus(
            reconciler=f"a clock was, or is, wrong: its lease ends at {end}",
            executor=lease.executor,
        )
    return LeaseStatus(reconciler="ok", executor=lease.executor)


class LeaseHolder:
    """One reconciler's claim to the lease."""

    def __init__(
        self, database: Database, seconds: float, clock: Callable[[], datetime] = now
    ) -> None:
        self._database = database
        self._duration = timedelta(seconds=seconds)
        self._clock = clock
        self.owner: Final = f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(4)}"

    def acquire(self, executor: str = STARTING) -> bool:
        """Take or renew the lease; False while another holds it. `executor` is what `status` will
        say of it."""
        try:
            with self._database.write() as session:
                return self._acquire(session, executor)
        except IntegrityError:  # another reconciler made the row first
            return False

    def _acquire(self, session: Session, executor: str) -> bool:
        lease = session.get(Lease, NAME, with_for_update=True)
        moment = self._clock()
        if lease is None:
            lease = Lease(name=NAME)
            session.add(lease)
        elif lease.owner != self.owner and moment < lease.expires_at <= self._last_end(moment):
            return False
        lease.owner = self.owner
        lease.expires_at = moment + self._duration
        lease.executor = executor
        return True

    def _last_end(self, moment: datetime) -> datetime:
        """No lease that was taken by now ends later, unless by a clock that was ahead."""
        return moment + max(N_DURATIONS * self._duration, LEAST_AHEAD)

    @contextmanager
    def guarded_write(self) -> Iterator[Session]:
        """A write transaction that only the holder of the lease can commit.

        Raises:
            LeaseLost: another has taken it. (One that ended, but that nobody took, is still ours.)
        """
        with self._database.write() as session:
            if self._held_lease(session) is None:
                raise LeaseLost(f"{self.owner} no longer holds the lease")
            yield session

    def release(self) -> None:
        """Let another take over at once, if the lease is ours."""
        with self._database.write() as session:
            lease = self._held_lease(session)
            if lease is not None:
                session.delete(lease)

    def _held_lease(self, session: Session) -> Lease | None:
        """The lease, locked, if it is ours."""
        lease = session.get(Lease, NAME, with_for_update=True)
        return lease if lease is not None and lease.owner == self.owner else None

"""One reconciler at a time: a lease in the database, with an owner and a time at which it ends by
itself.

The holder renews it at every tick. Everything it writes about jobs goes through `guarded_write`,
which first asks, in the same transaction, whether the lease is still its own: a holder that slept
past its lease (a stopped process, a long pause of the machine) cannot write over its successor's
work.

The time is the database's, one for all machines. It may be set while a lease runs, so a lease also
counts its renewals: one whose count stands still for as long as it lasts is over, whatever any
clock says.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.database.base import Database
from services.reconciler.tables import Lease

NAME: Final = "reconciler"
STARTING: Final = "starting"
N_DURATIONS: Final = 4
LEAST_AHEAD: Final = timedelta(minutes=2)
"""A lease that ends after so many durations, and after so long, was written by a clock that was
ahead: it is taken."""

Clock = Callable[[Session], datetime]
"""Tells the time in a transaction."""


class LeaseLost(Exception):
    """Another reconciler has taken over, or may have."""


@dataclass(frozen=True, kw_only=True)
class LeaseStatus:
    """For `/readyz`: `ok`, or what is wrong."""

    reconciler: str
    executor: str


class _Witness:
    """Has seen a lease renewed, and knows for how long it was not, on a clock that nobody sets."""

    def __init__(self) -> None:
        self._mark: tuple[str, int] | None = None
        self._since = 0.0

    def measure_silence(self, lease: Lease) -> float:
        """Seconds since the first look at the lease as it is."""
        mark = (lease.owner, lease.beats)
        if mark != self._mark:
            self._mark = mark
            self._since = time.monotonic()
        return time.monotonic() - self._since


class LeaseWatch:
    """How the reconciler and its executor are, as any process can see it in the database."""

    def __init__(self, database: Database, seconds: float, clock: Clock | None = None) -> None:
        self._database = database
        self._duration = timedelta(seconds=seconds)
        self._clock = clock or database.read_clock
        self._witness = _Witness()

    def look(self) -> LeaseStatus:
        with self._database.read() as session:
            lease = session.get(Lease, NAME)
            moment = self._clock(session)
        if lease is None or lease.expires_at <= moment:
            return LeaseStatus(
                reconciler="no reconciler is at work", executor="unknown without a reconciler"
            )
        end = lease.expires_at.isoformat()
        if lease.expires_at > find_last_end(moment, self._duration):
            wrong = f"a clock was, or is, wrong: its lease ends at {end}"
            return LeaseStatus(reconciler=wrong, executor=lease.executor)
        if self._witness.measure_silence(lease) >= self._duration.total_seconds():
            silent = f"no reconciler is at work, though its lease ends at {end} by the clock"
            return LeaseStatus(reconciler=silent, executor="unknown without a reconciler")
        return LeaseStatus(reconciler="ok", executor=lease.executor)


def find_last_end(moment: datetime, duration: timedelta) -> datetime:
    """No lease that was taken by now ends later, unless by a clock that was ahead."""
    return moment + max(N_DURATIONS * duration, LEAST_AHEAD)


class LeaseHolder:
    """One reconciler's claim to the lease."""

    def __init__(self, database: Database, seconds: float, clock: Clock | None = None) -> None:
        self._database = database
        self._duration = timedelta(seconds=seconds)
        self._clock = clock or database.read_clock
        self._witness = _Witness()
        self.owner: Final = f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(4)}"

    def acquire(self, executor: str = STARTING) -> bool:
        """Take or renew the lease; False while another holds it. `executor` is what `LeaseWatch`
        will say of it."""
        try:
            with self._database.write() as session:
                return self._acquire(session, executor)
        except IntegrityError:  # another reconciler made the row first
            return False

    def _acquire(self, session: Session, executor: str) -> bool:
        lease = session.get(Lease, NAME, with_for_update=True)
        moment = self._clock(session)
        if lease is None:
            lease = Lease(name=NAME, beats=0)
            session.add(lease)
        elif lease.owner != self.owner and self._is_held(lease, moment):
            return False
        lease.owner = self.owner
        lease.expires_at = moment + self._duration
        lease.beats += 1
        lease.executor = executor
        return True

    def _is_held(self, lease: Lease, moment: datetime) -> bool:
        """Whether another's lease has neither ended, nor an end that nobody can have written, nor
        stood still for as long as it lasts."""
        if not moment < lease.expires_at <= find_last_end(moment, self._duration):
            return False
        return self._witness.measure_silence(lease) < self._duration.total_seconds()

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

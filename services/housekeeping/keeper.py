"""Housekeeping beside the work: a bounded step at a time, once an hour from the beginning.

A clock that is ahead would make everything old at once. So what counts as now moves on by at most a
day an hour: a clock that is put right within hours has cost days, not years.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from registry import Registry, RegistryError
from services.database.base import Database, now
from services.database.facts import Fact, write_fact
from services.housekeeping.ended_jobs import Write
from services.housekeeping.policy import CATEGORIES, Policy
from services.housekeeping.pruner import Pruner
from services.settings import Settings

logger = logging.getLogger(__name__)

ROUND_SECONDS: Final = 3600.0
"""From the end of a round to the next."""
STEP_JOBS: Final = 20
LARGEST_LEAP: Final = timedelta(days=1)
CLOCK: Final = "house-clock"


class Housekeeper:
    """Of the reconciler that holds the lease."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        registry: Registry,
        write: Write,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._policy = Policy.from_settings(settings)
        self._database = database
        self._write = write
        self._clock = clock
        self._pruner = Pruner(
            settings=settings, database=database, registry=registry, write=write, limit=STEP_JOBS
        )
        self._pending: list[str] = []
        self._moment = clock()
        self._due_at = float("-inf")

    def step(self) -> None:
        """Do a little, if a round is due."""
        if not self._pending:
            if time.monotonic() < self._due_at:
                return
            self._moment = self._read_moment()
            self._pending = list(CATEGORIES)
        while self._pending:
            if not self._prune(self._pending[0]):
                return  # there is more of it, for the next step
            self._pending.pop(0)
        self._due_at = time.monotonic() + ROUND_SECONDS

    def _prune(self, category: str) -> bool:
        """Whether the category is through for this round."""
        cut = self._policy.find_cut(category, self._moment)
        if cut is None:
            return True
        try:
            finding = self._pruner.prune(category, cut)
        except (RegistryError, SQLAlchemyError, OSError) as error:
            logger.warning("could not remove old %s: %s", category, error)
            return True
        if finding.n_items:
            logger.info("removed %d %s (%s)", finding.n_items, finding.unit, category)
        return finding.n_jobs < STEP_JOBS

    def _read_moment(self) -> datetime:
        """What counts as now, noted for the next round."""
        moment = self._clock()
        with self._write() as session:
            fact = session.get(Fact, CLOCK)
            if fact is not None:
                moment = min(moment, datetime.fromisoformat(fact.value) + LARGEST_LEAP)
            write_fact(session, CLOCK, moment.isoformat())
        return moment

"""How far the events of jobs have come: asked for once for all streams of this process, however
many there are.

Each stream looks now and then whether its job's newest event id passed its own. One reading serves
all streams for `max_age_seconds`; whichever looks then reads the ids of every job that is followed,
in one query.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import anyio
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import select

from services.database.base import Database
from services.jobs.tables import Job
from services.problems import TooManyRequests

POLL_SECONDS: Final = 0.25
"""Pause between two looks of one stream."""
MAX_AGE_SECONDS: Final = 0.1
MAX_OF_A_PROJECT: Final = 200
"""Streams: each is a connection, of which a process has about a thousand for everybody."""
GONE: Final = -1
"""In place of an event id: the job was deleted."""


class Tails:
    """Newest event ids of the jobs that are followed. Belongs to one event loop."""

    def __init__(self, database: Database, max_age_seconds: float = MAX_AGE_SECONDS) -> None:
        self._database = database
        self._max_age_seconds = max_age_seconds
        self._followed: Counter[str] = Counter()
        self._by_project: Counter[str] = Counter()
        self._newest: Mapping[str, int] = {}
        self._read_at = float("-inf")
        self._lock = anyio.Lock()

    @property
    def n_streams(self) -> int:
        """Streams that are open now."""
        return self._followed.total()

    @contextmanager
    def follow(self, job_id: str, project: str) -> Iterator[None]:
        """Count a stream of this job."""
        self._followed[job_id] += 1
        self._by_project[project] += 1
        try:
            yield
        finally:
            self._followed[job_id] -= 1
            self._followed += Counter()  # without the zeros
            self._by_project[project] -= 1
            self._by_project += Counter()

    def check_room(self, project: str) -> None:
        """
        Raises:
            TooManyRequests: the project has as many streams as one may have.
        """
        if self._by_project[project] >= MAX_OF_A_PROJECT:
            raise TooManyRequests(
                f"The project {project!r} has {MAX_OF_A_PROJECT} event streams open at this "
                "process, as many as it may: close some.",
                headers={"Retry-After": "5"},
            )

    async def find_newest(self, job_id: str) -> int | None:
        """The newest event id of a job that is followed, or GONE; None when it is not known yet."""
        async with self._lock:
            if time.monotonic() - self._read_at >= self._max_age_seconds:
                self._newest = await run_in_threadpool(self._read, list(self._followed))
                self._read_at = time.monotonic()
        return self._newest.get(job_id)

    def _read(self, job_ids: list[str]) -> Mapping[str, int]:
        query = select(Job.id, Job.last_event_id).where(Job.id.in_(job_ids))
        newest = dict.fromkeys(job_ids, GONE)
        with self._database.read() as session:
            for row in session.execute(query):
                newest[row.id] = row.last_event_id
        return newest

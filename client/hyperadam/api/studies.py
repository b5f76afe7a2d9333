"""`client.studies`: what is particular to jobs of the kind study; the rest (submit, pause, …) is
`client.jobs`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hyperadam.api.bridge import blocking
from hyperadam.api.decode import Record
from hyperadam.api.models import Job, Result, VersionRef
from hyperadam.api.session import Session, join_path


@dataclass(frozen=True, kw_only=True)
class StudyTrial(Record):
    """One meta-training of a study."""

    number: int
    point: int
    """Trials of the same point differ only in their seed."""
    seed: int
    values: Mapping[str, Any]
    """By the dotted path of each varied field; without those whose condition did not hold."""
    state: str
    """running, completed, stopped or failed."""
    updates: int
    n_updates: int
    objective: float | None = None
    """Smaller is better; None: not known, or not finite."""
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class StudyResult(Result):
    """A study, under way or ended."""

    objective: str
    """What it is, in words."""
    space: tuple[str, ...]
    """The dotted paths of the varied fields."""
    trials: tuple[StudyTrial, ...]
    """By number."""
    leaderboard: tuple[int, ...]
    """Numbers of trials with an objective, best first."""
    best_trial: int | None = None
    version: VersionRef | None = None
    """Of the best Θ, once the study has ended."""
    importance: Mapping[str, Any] | None = None
    """`method`, `shares` by path, and `left_out`, the paths that not every point has; None: too few
    points."""


@dataclass(frozen=True, kw_only=True)
class StudyControl(Record):
    """What was asked of a study since it was submitted; None: as its spec says."""

    trials: int | None
    parallel_trials: int | None
    stopping: bool


class AsyncStudies:
    """The studies of a server. Each call raises the exceptions of `hyperadam.api.errors`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def result(self, job_id: str) -> StudyResult:
        """The study so far, or as it ended. Raises NotFound before its first trial has ended."""
        return await self._session.get(StudyResult, join_path("jobs", job_id, "result"))

    async def stop(self, job_id: str) -> StudyControl:
        """Begin no further trial; those that run are finished. Raises Conflict when it has
        ended."""
        response = await self._session.post(join_path("jobs", job_id, "stop"))
        return self._session.decode_record(StudyControl, response)

    async def extend(self, job_id: str, trials: int) -> Job:
        """Go on with a study that has ended, up to so many trials in all. Raises Conflict while it
        has not ended."""
        response = await self._session.post(
            join_path("jobs", job_id, "extend"), body={"trials": trials}
        )
        return self._session.decode_record(Job, response)

    async def limit(
        self, job_id: str, *, trials: int | None = None, parallel_trials: int | None = None
    ) -> StudyControl:
        """Change how many trials there are in all, or side by side. Raises Conflict when it has
        ended."""
        fields = {"trials": trials, "parallel_trials": parallel_trials}
        body = {field: value for field, value in fields.items() if value is not None}
        path = join_path("jobs", job_id, "study")
        response = await self._session.request("PATCH", path, body=body)
        return self._session.decode_record(StudyControl, response)

    async def register(self, job_id: str, trial: int, optimizer: str) -> VersionRef:
        """Make the best Θ of a trial a version of an optimizer. Raises NotFound where there is none
        yet."""
        path = join_path("jobs", job_id, "trials", str(trial), "version")
        response = await self._session.post(path, body={"optimizer": optimizer})
        return self._session.decode_record(VersionRef, response)


class Studies:
    """The studies of a server. Each call raises the exceptions of `hyperadam.api.errors`."""

    def __init__(self, twin: AsyncStudies) -> None:
        self._twin = twin

    result = blocking(AsyncStudies.result)
    stop = blocking(AsyncStudies.stop)
    extend = blocking(AsyncStudies.extend)
    limit = blocking(AsyncStudies.limit)
    register = blocking(AsyncStudies.register)

"""`client.jobs`: submit jobs, watch them, fetch what they leave behind."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import EllipsisType
from typing import Any, Final

from hyperadam.api.bridge import blocking, blocking_iterator
from hyperadam.api.decode import Record, decode
from hyperadam.api.models import (
    Attempt,
    Checkpoint,
    EvaluationResult,
    Event,
    Job,
    LogChunk,
    MetaTrainingResult,
    MetricPoint,
    MetricSeries,
    Result,
)
from hyperadam.api.moments import moment_text
from hyperadam.api.session import Session, path_of
from hyperadam.api.streams import download_to, follow

MAX_ARTIFACT_BYTES: Final = 256 * 2**20


class AsyncJobs:
    """The jobs of a server. Each call raises the exceptions of `hyperadam.api.errors`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def submit(
        self,
        kind: str,
        spec: Mapping[str, Any],
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        priority: int | None = None,
        deadline: datetime | timedelta | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """A new job.

        Args:
            kind: meta-training, evaluation or study.
            spec: what to do; may begin from a preset, as in `{"preset": "quick", "seed": 3}`.
            name: for people, at most 200 characters.
            labels: for finding it again.
            priority: from −100 to 100; the highest of the jobs that wait starts first.
            deadline: a moment, or a time from now; a job that has not ended by then fails.
            idempotency_key: makes a repeat of the same submission give the same job. Made anew for
                each call when it is not given, so that the call's own retries never make two jobs.

        Raises:
            ValidationFailed: `errors` names each field that is wrong.
            IdempotencyMismatch: the key was used with another submission.
        """
        given = {
            "kind": kind,
            "name": name,
            "labels": labels,
            "priority": priority,
            "deadline": moment_text(deadline),
            "spec": spec,
        }
        body = {key: value for key, value in given.items() if value is not None}
        response = await self._session.post(path_of("jobs"), body, idempotency_key)
        return self._session.record(Job, response)

    def list(
        self,
        *,
        kind: str | None = None,
        state: str | None = None,
        label: str | None = None,
        limit: int | None = None,
    ) -> AsyncGenerator[Job]:
        """Jobs, newest first, fetched page by page; at most `limit` of them. `label` is
        `name:value`."""
        params = {"kind": kind, "state": state, "label": label}
        return self._session.pages(Job, path_of("jobs"), params, limit=limit)

    async def get(self, job_id: str) -> Job:
        """The job as it is now."""
        return await self._session.get(Job, path_of("jobs", job_id))

    async def cancel(self, job_id: str) -> Job:
        """Stop it for good. Raises Conflict when it has ended."""
        return await self._act(job_id, "cancel")

    async def pause(self, job_id: str) -> Job:
        """Stop it at its next checkpoint. Raises Conflict when it does not run."""
        return await self._act(job_id, "pause")

    async def resume(self, job_id: str) -> Job:
        """Go on with a paused job. Raises Conflict when it is not paused."""
        return await self._act(job_id, "resume")

    async def retry(self, job_id: str) -> Job:
        """Go on with a job that failed or was cancelled, from its newest checkpoint. Raises
        Conflict otherwise."""
        return await self._act(job_id, "retry")

    async def clone(
        self,
        job_id: str,
        spec: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        priority: int | None = None,
        deadline: datetime | timedelta | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """A new job like this one; what is given is different, the rest the same (but for the
        deadline: none).

        Args:
            spec: a JSON merge patch of the job's spec: `{"unroll": {"horizon": 200}}`; None for a
                field is its default.

        Raises:
            ValidationFailed: `errors` names each field that is wrong.
        """
        given = {
            "name": name,
            "labels": labels,
            "priority": priority,
            "deadline": moment_text(deadline),
            "spec": spec,
        }
        body = {key: value for key, value in given.items() if value is not None}
        response = await self._session.post(path_of("jobs", job_id, "clone"), body, idempotency_key)
        return self._session.record(Job, response)

    async def edit(
        self,
        job_id: str,
        *,
        name: str | EllipsisType | None = ...,
        labels: Mapping[str, str | None] | EllipsisType = ...,
        priority: int | EllipsisType = ...,
        deadline: datetime | timedelta | EllipsisType | None = ...,
    ) -> Job:
        """Change what is given: a label of None is removed, a deadline of None lifted, other labels
        stay."""
        moment = deadline if isinstance(deadline, EllipsisType) else moment_text(deadline)
        given = {"name": name, "labels": labels, "priority": priority, "deadline": moment}
        body = {key: value for key, value in given.items() if value is not ...}
        response = await self._session.request(
            "PATCH", path_of("jobs", job_id), body=body, idempotent=True
        )
        return self._session.record(Job, response)

    async def delete(self, job_id: str) -> None:
        """Delete an ended job with its events, log, metrics and files; versions of Θ stay. Raises
        Conflict before its end, and Forbidden for a job of another key without the scope admin."""
        await self._session.request("DELETE", path_of("jobs", job_id))

    async def events(
        self, job_id: str, *, after: int = 0, follow: bool = False
    ) -> AsyncGenerator[Event]:
        """The events after number `after`, in order: those there are, or with `follow` all up to
        the job's end."""
        events = self.follow(job_id, after=after) if follow else self._past_events(job_id, after)
        async for event in events:
            yield event

    async def follow(self, job_id: str, *, after: int = 0) -> AsyncGenerator[Event]:
        """The events after number `after`, as they happen, up to the job's end.

        Survives broken connections and restarts of the server: each event comes once, in order.
        """
        job = path_of("jobs", job_id)
        async for event in follow(self._session, f"{job}/events", job, after=after):
            yield event

    async def wait(self, job_id: str) -> Job:
        """The job, once it has ended (`state` says how)."""
        async for _ in self.follow(job_id):
            pass
        return await self.get(job_id)

    async def metric_names(self, job_id: str) -> tuple[str, ...]:
        """The names of the job's metrics."""
        return (await self._session.get(_MetricNames, path_of("jobs", job_id, "metrics"))).names

    async def metrics(
        self, job_id: str, name: str, *, after_step: int | None = None, n_points: int | None = None
    ) -> MetricSeries:
        """One metric, from the step after `after_step` on: all of its points, or at most `n_points`
        (4 or more) of them that show the shape of the series."""
        params = {"name": name, "after_step": after_step, "points": n_points}
        pages = self._session.pages(
            MetricPoint, path_of("jobs", job_id, "metrics"), params, page_size=None
        )
        return MetricSeries(name=name, points=tuple([point async for point in pages]))

    async def logs(self, job_id: str, *, after: int = 0) -> LogChunk:
        """The log from byte `after` on, or the next piece of it: go on with `.next` until `.text`
        is empty."""
        return await self._session.get(
            LogChunk, path_of("jobs", job_id, "logs"), {"after": after or None}
        )

    async def attempts(self, job_id: str) -> tuple[Attempt, ...]:
        """The tries at the job."""
        pages = self._session.pages(Attempt, path_of("jobs", job_id, "attempts"))
        return tuple([attempt async for attempt in pages])

    async def checkpoints(self, job_id: str) -> tuple[Checkpoint, ...]:
        """The checkpoints that are kept."""
        pages = self._session.pages(Checkpoint, path_of("jobs", job_id, "checkpoints"))
        return tuple([checkpoint async for checkpoint in pages])

    async def result(self, job_id: str) -> Result:
        """What the job found out: a `MetaTrainingResult`, an `EvaluationResult`, or a plain
        `Result` with `raw`.

        Raises:
            NotFound: there is none (yet).
        """
        data = self._session.json(
            await self._session.request("GET", path_of("jobs", job_id, "result"))
        )
        fields = data if isinstance(data, Mapping) else {}
        if "rows" in fields:
            return decode(EvaluationResult, data)
        return decode(MetaTrainingResult if "sha256" in fields else Result, data)

    async def download_result(self, job_id: str, artifact: str, to: str | Path = ".") -> Path:
        """Fetch one file of the result; returns where it is.

        Args:
            artifact: its path, as in `(await result(job_id)).artifacts`.
            to: a folder, which keeps the artifact's own last name, or a file, which is replaced
                when it is whole.
        """
        target = _in_folder(Path(to), artifact)
        path = path_of("jobs", job_id, "result", *artifact.split("/"))
        await download_to(self._session, path, target, max_bytes=MAX_ARTIFACT_BYTES)
        return target

    async def _act(self, job_id: str, action: str) -> Job:
        return self._session.record(Job, await self._session.post(path_of("jobs", job_id, action)))

    def _past_events(self, job_id: str, after: int) -> AsyncGenerator[Event]:
        params = {"after": after or None}
        return self._session.pages(Event, path_of("jobs", job_id, "events"), params, page_size=None)


class Jobs:
    """The jobs of a server. Each call raises the exceptions of `hyperadam.api.errors`."""

    def __init__(self, twin: AsyncJobs) -> None:
        self._twin = twin

    submit = blocking(AsyncJobs.submit)
    list = blocking_iterator(AsyncJobs.list)
    get = blocking(AsyncJobs.get)
    cancel = blocking(AsyncJobs.cancel)
    pause = blocking(AsyncJobs.pause)
    resume = blocking(AsyncJobs.resume)
    retry = blocking(AsyncJobs.retry)
    clone = blocking(AsyncJobs.clone)
    edit = blocking(AsyncJobs.edit)
    delete = blocking(AsyncJobs.delete)
    events = blocking_iterator(AsyncJobs.events)
    follow = blocking_iterator(AsyncJobs.follow)
    wait = blocking(AsyncJobs.wait)
    metric_names = blocking(AsyncJobs.metric_names)
    metrics = blocking(AsyncJobs.metrics)
    logs = blocking(AsyncJobs.logs)
    attempts = blocking(AsyncJobs.attempts)
    checkpoints = blocking(AsyncJobs.checkpoints)
    result = blocking(AsyncJobs.result)
    download_result = blocking(AsyncJobs.download_result)


def _in_folder(target: Path, artifact: str) -> Path:
    return target / Path(artifact).name if target.is_dir() else target


@dataclass(frozen=True, kw_only=True)
class _MetricNames(Record):
    names: tuple[str, ...]

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
from hyperadam.api.event_stream import OutageListener, Patience, follow_events
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
from hyperadam.api.moments import format_moment
from hyperadam.api.session import Session, join_path
from hyperadam.api.streams import download_to

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
        webhook: str | None = None,
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
            webhook: URL that is told of the job's end, on a host that the server's operator allows.
            idempotency_key: makes a repeat of the same submission give the same job. Made anew for
                each call when it is not given, so that the call's own retries never make two jobs.

        Raises:
            ValidationFailed: `errors` names each field that is wrong.
            IdempotencyMismatch: the key was used with another submission.
        """
        fields = {
            "kind": kind,
            "name": name,
            "labels": labels,
            "priority": priority,
            "deadline": format_moment(deadline),
            "webhook": webhook,
            "spec": spec,
        }
        body = {field: value for field, value in fields.items() if value is not None}
        response = await self._session.post(join_path("jobs"), body, idempotency_key)
        return self._session.decode_record(Job, response)

    def list(
        self,
        *,
        kind: str | None = None,
        state: str | None = None,
        label: str | None = None,
        name: str | None = None,
        actor: str | None = None,
        created_after: datetime | timedelta | None = None,
        created_before: datetime | timedelta | None = None,
        limit: int | None = None,
    ) -> AsyncGenerator[Job]:
        """Jobs, newest first, fetched page by page.

        Args:
            label: as `name:value`.
            name: a part of the job's name, in any case of letters.
            actor: name of the key that submitted it.
            created_after: from this moment on; or a time from now, which is below 0.
            created_before: before this moment.
            limit: at most so many.
        """
        params = {
            "kind": kind,
            "state": state,
            "label": label,
            "name": name,
            "actor": actor,
            "created_after": format_moment(created_after),
            "created_before": format_moment(created_before),
        }
        return self._session.fetch_pages(Job, join_path("jobs"), params, limit=limit)

    async def get(self, job_id: str) -> Job:
        """The job as it is now."""
        return await self._session.get(Job, join_path("jobs", job_id))

    async def cancel(self, job_id: str) -> Job:
        """Stop it for good. Raises Conflict when it has ended."""
        return await self._post_action(job_id, "cancel")

    async def pause(self, job_id: str) -> Job:
        """Stop it at its next checkpoint. Raises Conflict when it does not run."""
        return await self._post_action(job_id, "pause")

    async def resume(self, job_id: str) -> Job:
        """Go on with a paused job. Raises Conflict when it is not paused."""
        return await self._post_action(job_id, "resume")

    async def retry(self, job_id: str) -> Job:
        """Go on with a job that failed or was cancelled, from its newest checkpoint. Raises
        Conflict otherwise."""
        return await self._post_action(job_id, "retry")

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
        fields = {
            "name": name,
            "labels": labels,
            "priority": priority,
            "deadline": format_moment(deadline),
            "spec": spec,
        }
        body = {field: value for field, value in fields.items() if value is not None}
        path = join_path("jobs", job_id, "clone")
        response = await self._session.post(path, body, idempotency_key)
        return self._session.decode_record(Job, response)

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
        moment = deadline if isinstance(deadline, EllipsisType) else format_moment(deadline)
        fields = {"name": name, "labels": labels, "priority": priority, "deadline": moment}
        body = {field: value for field, value in fields.items() if value is not ...}
        path = join_path("jobs", job_id)
        response = await self._session.request("PATCH", path, body=body, idempotent=True)
        return self._session.decode_record(Job, response)

    async def delete(self, job_id: str) -> None:
        """Delete an ended job with its events, log, metrics and files; versions of Θ stay. Raises
        Conflict before its end, and Forbidden for a job of another key without the scope admin."""
        await self._session.request("DELETE", join_path("jobs", job_id))

    async def events(
        self, job_id: str, *, after: int = 0, follow: bool = False
    ) -> AsyncGenerator[Event]:
        """The events after number `after`, in order: those there are, or with `follow` all up to
        the job's end."""
        if follow:
            events = self.follow(job_id, after=after)
        else:
            events = self._list_past_events(job_id, after)
        async for event in events:
            yield event

    async def follow(
        self,
        job_id: str,
        *,
        after: int = 0,
        outage_seconds: float | None = None,
        on_outage: OutageListener | None = None,
    ) -> AsyncGenerator[Event]:
        """The events after number `after`, as they happen, up to the job's end.

        Survives broken connections and restarts of the server: each event comes once, in order.

        Args:
            outage_seconds: how long the server may be away; None: as many failures in a row as the
                client's `RetryPolicy` allows, some 40 s.
            on_outage: called once for each outage that is waited for, with the error.
        """
        job = join_path("jobs", job_id)
        patience = Patience(seconds=outage_seconds, on_outage=on_outage)
        path = f"{job}/events"
        async for event in follow_events(self._session, path, job, after=after, patience=patience):
            yield event

    async def wait(self, job_id: str) -> Job:
        """The job, once it has ended (`state` says how)."""
        async for _ in self.follow(job_id):
            pass
        return await self.get(job_id)

    async def metric_names(self, job_id: str) -> tuple[str, ...]:
        """The names of the job's metrics."""
        path = join_path("jobs", job_id, "metrics")
        answer = await self._session.get(_MetricNames, path)
        return answer.names

    async def metrics(
        self, job_id: str, name: str, *, after_step: int | None = None, n_points: int | None = None
    ) -> MetricSeries:
        """One metric, from the step after `after_step` on: all of its points, or at most `n_points`
        (4 or more) of them that show the shape of the series."""
        path = join_path("jobs", job_id, "metrics")
        params = {"name": name, "after_step": after_step, "points": n_points}
        pages = self._session.fetch_pages(MetricPoint, path, params, page_size=None)
        points = [point async for point in pages]
        return MetricSeries(name=name, points=tuple(points))

    async def logs(self, job_id: str, *, after: int = 0) -> LogChunk:
        """The log from byte `after` on, or the next piece of it: go on with `.next` until `.text`
        is empty."""
        path = join_path("jobs", job_id, "logs")
        return await self._session.get(LogChunk, path, {"after": after or None})

    async def attempts(self, job_id: str) -> tuple[Attempt, ...]:
        """The tries at the job."""
        pages = self._session.fetch_pages(Attempt, join_path("jobs", job_id, "attempts"))
        return tuple([attempt async for attempt in pages])

    async def checkpoints(self, job_id: str) -> tuple[Checkpoint, ...]:
        """The checkpoints that are kept."""
        pages = self._session.fetch_pages(Checkpoint, join_path("jobs", job_id, "checkpoints"))
        return tuple([checkpoint async for checkpoint in pages])

    async def result(self, job_id: str) -> Result:
        """What the job found out: a `MetaTrainingResult`, an `EvaluationResult`, or a plain
        `Result` with `raw`.

        Raises:
            NotFound: there is none (yet).
        """
        path = join_path("jobs", job_id, "result")
        response = await self._session.request("GET", path)
        data = self._session.read_json(response)
        fields = data if isinstance(data, Mapping) else {}
        if "rows" in fields:
            return decode(EvaluationResult, data)
        if "sha256" in fields:
            return decode(MetaTrainingResult, data)
        return decode(Result, data)

    async def download_result(self, job_id: str, artifact: str, to: str | Path = ".") -> Path:
        """Fetch one file of the result; returns where it is.

        Args:
            artifact: its path, as in `(await result(job_id)).artifacts`.
            to: a folder, which keeps the artifact's own last name, or a file, which is replaced
                when it is whole.
        """
        target = _choose_target(Path(to), artifact)
        path = join_path("jobs", job_id, "result", *artifact.split("/"))
        await download_to(self._session, path, target, max_bytes=MAX_ARTIFACT_BYTES)
        return target

    async def _post_action(self, job_id: str, action: str) -> Job:
        response = await self._session.post(join_path("jobs", job_id, action))
        return self._session.decode_record(Job, response)

    def _list_past_events(self, job_id: str, after: int) -> AsyncGenerator[Event]:
        path = join_path("jobs", job_id, "events")
        params = {"after": after or None}
        return self._session.fetch_pages(Event, path, params, page_size=None)


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


def _choose_target(target: Path, artifact: str) -> Path:
    """A file in the folder, or the target itself where it is none."""
    return target / Path(artifact).name if target.is_dir() else target


@dataclass(frozen=True, kw_only=True)
class _MetricNames(Record):
    names: tuple[str, ...]

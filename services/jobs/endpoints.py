"""REST calls about jobs: HTTP in, use case, HTTP out. The wire is docs/rest.md."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.sse import EventSourceResponse
from pydantic import AfterValidator, AwareDatetime

from services.auth.dependencies import Principal, require
from services.catalog.schemas import DryRunAnswer
from services.container import Services
from services.idempotency.dependencies import Submission
from services.jobs import actions, results, schemas, service, submission, thinning
from services.jobs.dry_run import try_clone, try_job
from services.jobs.filters import JobFilter, check_moment
from services.jobs.lifecycle import State, Trigger
from services.jobs.streams import stream_events
from services.links import make_location
from services.pages import PageCursor, PageLimit
from services.projects.tables import PROJECT_PATTERN
from services.strict_routes import StrictRoute

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictRoute)

Reader = Depends(require("read"))
Submitter = Annotated[Principal, Depends(require("submit"))]
Cursor = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,18}$", description="`next_cursor` of the page before")
]
Limit = Annotated[int, Query(ge=1, le=200)]
LongLimit = Annotated[int, Query(ge=1, le=10_000)]
Accept = Annotated[str, Header()]
Label = Annotated[
    str, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*:[^\x00-\x1f\x7f]*$", max_length=300)
]
_PLAIN: Final = r"^[^\x00-\x1f\x7f]{1,200}$"
NamePart = Annotated[
    str | None,
    Query(pattern=_PLAIN, description="Part of the name, in any case of letters"),
]
Actor = Annotated[
    str | None, Query(pattern=_PLAIN, description="Name of the key that submitted it")
]
ProjectFilter = Annotated[
    str | None, Query(pattern=PROJECT_PATTERN, description="Of one project, of those that are seen")
]
Moment = Annotated[
    AwareDatetime | None,
    Query(description="A moment with its time zone, as 2026-11-29T08:00:00Z"),
    AfterValidator(check_moment),
]
Offset = Annotated[int, Query(ge=0, lt=2**31)]
Step = Annotated[int, Query(ge=-1, lt=2**63)]
MetricName = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
PointCount = Annotated[int | None, Query(ge=thinning.MIN_POINTS, le=10_000)]
DryRun = Annotated[
    bool, Query(description="Answer 200 with what would become of the job; nothing is submitted")
]
LastEventId = Annotated[str | None, Header(pattern=r"^[0-9]{1,9}$")]

_REPEATED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": schemas.JobAnswer,
        "description": "A repeat: the Idempotency-Key was used with this request before",
    }
}


_REPEATED_OR_TRIED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": schemas.JobAnswer | DryRunAnswer,
        "description": "A repeat: the Idempotency-Key was used with this request before; "
        "or with `dry_run`, what would become of the job",
    }
}


@router.post("", status_code=201, responses=_REPEATED_OR_TRIED, response_model=schemas.JobAnswer)
def submit_job(
    body: schemas.JobRequest,
    request: Request,
    services: Services,
    post: Submission,
    response: Response,
    dry_run: DryRun = False,
) -> Any:
    """Submit a job; with `dry_run`, see what would become of it."""
    if dry_run:
        return _tried(request, try_job(services, body, post.principal))
    return _created(request, response, *submission.submit_job(services, body, post))


@router.post(
    "/{job_id}/clone",
    status_code=201,
    responses=_REPEATED_OR_TRIED,
    response_model=schemas.JobAnswer,
)
def clone_job(
    job_id: str,
    body: schemas.CloneRequest,
    request: Request,
    services: Services,
    post: Submission,
    response: Response,
    dry_run: DryRun = False,
) -> Any:
    """Submit a job like this one but for what the body says; it knows its original
    (`cloned_from`). With `dry_run`, see what would become of it."""
    if dry_run:
        return _tried(request, try_clone(services, job_id, body, post.principal))
    return _created(request, response, *submission.clone_job(services, job_id, body, post))


def _tried(request: Request, answer: DryRunAnswer) -> JSONResponse:
    request.state.is_trial = True  # nothing for the audit log
    return JSONResponse(answer.model_dump(mode="json"))


def _created(
    request: Request, response: Response, job: schemas.JobAnswer, is_new: bool
) -> schemas.JobAnswer:
    request.state.subject = job.id
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = make_location(request, f"/v1/jobs/{job.id}")
    return job


@router.get("", dependencies=[Reader])
def list_jobs(
    services: Services,
    principal: Annotated[Principal, Reader],
    kind: Annotated[list[schemas.Kind], Query()] = [],  # noqa: B006
    state: Annotated[list[State], Query()] = [],  # noqa: B006
    label: Annotated[list[Label], Query(max_length=8)] = [],  # noqa: B006
    name: NamePart = None,
    actor: Actor = None,
    project: ProjectFilter = None,
    created_after: Moment = None,
    created_before: Moment = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> schemas.JobList:
    """Jobs, newest first. A filter that is given twice admits both; labels must all be there
    (`label=name:text`)."""
    chosen = JobFilter(
        kinds=kind,
        states=state,
        labels=label,
        name=name,
        actor=actor,
        projects=principal.choose(project),
        created_after=created_after,
        created_before=created_before,
    )
    before = int(cursor) if cursor else None
    return service.list_jobs(services, chosen, cursor=before, limit=limit)


@router.get("/{job_id}", dependencies=[Reader])
def show_job(job_id: str, services: Services) -> schemas.JobAnswer:
    """One job."""
    return service.show_job(services, job_id)


@router.patch("/{job_id}")
def edit_job(
    job_id: str,
    request: schemas.EditRequest,
    services: Services,
    principal: Submitter,  # noqa: ARG001
) -> schemas.JobAnswer:
    """Change name, labels, priority or deadline; what is left out stays."""
    return actions.edit_job(services, job_id, request)


@router.delete("/{job_id}", status_code=204)
def delete_job(job_id: str, services: Services, principal: Submitter) -> None:
    """Delete an ended job with its events, logs, metrics and files; versions of Θ stay. `admin` for
    another key's."""
    actions.delete_job(services, job_id, principal)


@router.post("/{job_id}/cancel", status_code=202, responses=_REPEATED)
def cancel_job(
    job_id: str, services: Services, post: Submission, response: Response
) -> schemas.JobAnswer:
    """Cancel: a running job writes a checkpoint, then ends."""
    return _accepted(response, *actions.trigger_job(services, job_id, Trigger.CANCEL, post))


@router.post("/{job_id}/pause", status_code=202, responses=_REPEATED)
def pause_job(
    job_id: str, services: Services, post: Submission, response: Response
) -> schemas.JobAnswer:
    """Pause: a running job writes a checkpoint and frees its workers until it is resumed."""
    return _accepted(response, *actions.trigger_job(services, job_id, Trigger.PAUSE, post))


@router.post("/{job_id}/resume", status_code=202, responses=_REPEATED)
def resume_job(
    job_id: str, services: Services, post: Submission, response: Response
) -> schemas.JobAnswer:
    """Put a paused job back into the queue, to go on from its newest checkpoint."""
    return _accepted(response, *actions.trigger_job(services, job_id, Trigger.RESUME, post))


@router.post("/{job_id}/retry", status_code=202, responses=_REPEATED)
def retry_job(
    job_id: str, services: Services, post: Submission, response: Response
) -> schemas.JobAnswer:
    """Put a job that failed or was cancelled back into the queue: a new attempt, from its newest
    checkpoint."""
    return _accepted(response, *actions.trigger_job(services, job_id, Trigger.RETRY, post))


def _accepted(response: Response, job: schemas.JobAnswer, is_new: bool) -> schemas.JobAnswer:
    response.status_code = 202 if is_new else 200
    return job


_STREAM_HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@router.get("/{job_id}/events", response_model=schemas.EventList, responses=_EVENTS)
def list_events(
    job_id: str,
    services: Services,
    principal: Annotated[Principal, Reader],
    after: Offset = 0,
    cursor: Cursor = None,
    limit: LongLimit = 200,
    accept: Accept = "",
    last_event_id: LastEventId = None,
) -> Any:
    """Events in order; with `Accept: text/event-stream` as a stream that ends after `job.ended`."""
    start = int(cursor or after)
    page = service.list_events(services, job_id, after=start, limit=limit)
    if "text/event-stream" not in accept:
        return page
    start = int(last_event_id or start)
    services.tails.check_room(principal.project)
    stream = stream_events(services, job_id, start, principal)
    return EventSourceResponse(stream, headers=_STREAM_HEADERS)


@router.get("/{job_id}/metrics", dependencies=[Reader])
def list_metrics(
    job_id: str,
    services: Services,
    name: MetricName = None,
    after_step: Step = -1,
    cursor: Cursor = None,
    limit: LongLimit = 1000,
    points: PointCount = None,
) -> schemas.MetricNames | schemas.MetricList:
    """The names of the job's series; with `name`, the points of one: page by page, or with `points`
    at most so many, which show the shape of the whole series."""
    if name is None:
        return results.list_metric_names(services, job_id)
    if points is not None:
        return results.thin_metrics(services, job_id, name, after_step=after_step, n_points=points)
    start = int(cursor or after_step)
    return results.list_metrics(services, job_id, name, after_step=start, limit=limit)


@router.get(
    "/{job_id}/logs",
    dependencies=[Reader],
    response_model=schemas.LogAnswer,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def read_log(job_id: str, services: Services, after: Offset = 0, accept: Accept = "") -> Any:
    """A page of the log, from byte `after` on; with `Accept: text/plain` all of it."""
    if "text/plain" in accept:
        return PlainTextResponse(service.read_log(services, job_id))
    return service.read_log_page(services, job_id, after=after)


@router.get("/{job_id}/attempts", dependencies=[Reader])
def list_attempts(
    job_id: str, services: Services, cursor: PageCursor = None, limit: PageLimit = 1000
) -> schemas.AttemptList:
    """The job's attempts, oldest first."""
    return service.list_attempts(services, job_id, cursor=cursor, limit=limit)


@router.get("/{job_id}/checkpoints", dependencies=[Reader])
def list_checkpoints(
    job_id: str, services: Services, cursor: PageCursor = None, limit: PageLimit = 1000
) -> schemas.CheckpointList:
    """Checkpoints that are kept."""
    return results.list_checkpoints(services, job_id, cursor=cursor, limit=limit)


@router.get("/{job_id}/result", dependencies=[Reader])
def read_result(job_id: str, services: Services) -> schemas.ResultAnswer:
    """The job's `result.json`, with the list of its other files."""
    return results.read_result(services, job_id)


_FILE_HEADERS: Final = {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    ),
    "X-Content-Type-Options": "nosniff",
}


@router.get("/{job_id}/result/{path:path}", dependencies=[Reader], response_class=Response)
def read_result_file(job_id: str, path: str, services: Services) -> Response:
    """One file of the result. Nothing in it may run as a page of this service."""
    data, media_type = results.read_result_file(services, job_id, path)
    return Response(data, media_type=media_type, headers=_FILE_HEADERS)

"""REST calls about studies: HTTP in, use case, HTTP out. The wire is docs/rest.md."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from services.auth.dependencies import Principal, require
from services.container import Services
from services.idempotency.dependencies import Submission
from services.jobs.schemas import JobAnswer, VersionAnswer
from services.links import make_location
from services.strict_routes import StrictRoute
from services.studies import schemas, service

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["studies"], route_class=StrictRoute)

Submitter = Annotated[Principal, Depends(require("submit"))]


@router.post(
    "/stop",
    status_code=202,
    responses={200: {"model": schemas.StudyControl, "description": "A repeat"}},
)
def stop(
    job_id: str, services: Services, post: Submission, response: Response
) -> schemas.StudyControl:
    """Stop a study gently: trials that run are finished, none begins, and the best Θ is
    registered."""
    control, asked_now = service.stop(services, job_id, post)
    response.status_code = 202 if asked_now else 200
    return control


@router.post(
    "/extend",
    status_code=202,
    responses={200: {"model": JobAnswer, "description": "A repeat"}},
)
def extend(
    job_id: str,
    request: schemas.StudyExtension,
    services: Services,
    post: Submission,
    response: Response,
) -> JobAnswer:
    """Let a study that has ended go on with more trials: a new attempt, that knows all earlier
    ones."""
    job, asked_now = service.extend(services, job_id, request, post)
    response.status_code = 202 if asked_now else 200
    return job


@router.patch("/study")
def limit(
    job_id: str,
    request: schemas.StudyLimits,
    services: Services,
    principal: Submitter,  # noqa: ARG001
) -> schemas.StudyControl:
    """Change how many trials a study has in all, or side by side, while it runs."""
    return service.limit(services, job_id, request)


@router.post(
    "/trials/{number}/version",
    status_code=201,
    responses={200: {"model": VersionAnswer, "description": "A repeat"}},
)
def register(
    job_id: str,
    number: Annotated[int, Path(ge=0, lt=10_000)],
    body: schemas.TrialVersionRequest,
    request: Request,
    services: Services,
    post: Submission,
    response: Response,
) -> VersionAnswer:
    """Make the best Θ of a trial a version of an optimizer, whether it won or not."""
    version, made_now = service.register(services, job_id, number, body, post)
    response.status_code = 201 if made_now else 200
    path = f"/v1/optimizers/{version.optimizer}/versions/{version.number}"
    response.headers["Location"] = make_location(request, path)
    return version

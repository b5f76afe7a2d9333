"""REST calls about optimizers, versions and aliases.

The download of weights is in `downloads.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from hyperadam.theta import MAX_FILE_BYTES

from services.container import Services
from services.idempotency.dependencies import Submission
from services.links import make_location
from services.optimizers import downloads, owners, removals, schemas, service
from services.optimizers.parameters import (
    READER,
    THETA_MEDIA_TYPE,
    Admin,
    Alias,
    Archived,
    Limit,
    Name,
    NameCursor,
    NumberCursor,
    Reader,
    Ref,
    Reference,
    Submitter,
)
from services.optimizers.search import SearchOfRequest
from services.optimizers.upload_slots import read_body
from services.pages import PageCursor, PageLimit
from services.problems import UnsupportedMediaType, invalid
from services.strict_routes import StrictRoute

router = APIRouter(prefix="/v1/optimizers", tags=["optimizers"], route_class=StrictRoute)


@router.get("", dependencies=[READER])
def list_optimizers(
    services: Services,
    search: SearchOfRequest,
    principal: Reader,
    cursor: NameCursor = None,
    limit: Limit = 50,
) -> schemas.OptimizerList:
    """Optimizers, by name; with a search, those with a version that it admits."""
    return service.list_optimizers(services, search, principal, cursor=cursor, limit=limit)


@router.get("/{name}", dependencies=[READER])
def show(name: Name, services: Services) -> schemas.OptimizerAnswer:
    """One optimizer."""
    return service.show(services, name)


@router.put("/{name}/owner")
def hand_over(
    name: Name,
    body: schemas.OwnerRequest,
    services: Services,
    principal: Admin,  # noqa: ARG001
) -> schemas.OwnerAnswer:
    """Give a name to another owner, a name of API keys; with `project`, to one of that project."""
    if body.project is not None and not services.reach.has_project(body.project):
        raise invalid("project", f"there is no project {body.project!r}")
    owners.hand_over(services.database, name, body.owner, body.project)
    services.reach.forget()
    return schemas.OwnerAnswer(name=name, owner=body.owner)


@router.put("/{name}/sharing")
def share(
    name: Name, body: schemas.SharingRequest, services: Services, principal: Submitter
) -> schemas.OptimizerAnswer:
    """Let all projects read the versions of an optimizer of one's own, or no longer."""
    return service.share(services, name, principal, shared=body.shared)


@router.get("/{name}/versions", dependencies=[READER])
def list_versions(
    name: Name,
    services: Services,
    search: SearchOfRequest,
    archived: Archived = False,
    cursor: NumberCursor = None,
    limit: Limit = 50,
) -> schemas.OptimizerVersionList:
    """Versions, newest first; with a search, those that it admits."""
    before = int(cursor) if cursor else None
    return service.list_versions(
        services, name, search, archived=archived, before=before, limit=limit
    )


_THETA_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "A Θ file, as `hyperadam.Theta.save` writes it.",
        "content": {THETA_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post(
    "/{name}/versions",
    status_code=201,
    response_model=schemas.OptimizerVersionAnswer,
    responses={
        200: {
            "model": schemas.OptimizerVersionAnswer,
            "description": "This very file is a version already",
        }
    },
    openapi_extra=_THETA_BODY,
    max_body_size=MAX_FILE_BYTES,
)
async def upload(
    name: Name, request: Request, services: Services, post: Submission, response: Response
) -> schemas.OptimizerVersionAnswer:
    """Register a Θ that was made elsewhere. Repeating an upload is harmless: the same bytes are the
    same version."""
    media_type, _, _ = request.headers.get("content-type", "").partition(";")
    if media_type.strip().lower() != THETA_MEDIA_TYPE:
        raise UnsupportedMediaType(
            f"The body must be a Θ file, with Content-Type: {THETA_MEDIA_TYPE}."
        )

    async with services.upload_slots.hold(post.principal.project):
        data = await read_body(request)
        answer, is_new = await run_in_threadpool(service.upload, services, name, data, post)
    response.status_code = 201 if is_new else 200
    path = f"/v1/optimizers/{name}/versions/{answer.number}"
    response.headers["Location"] = make_location(request, path)
    return answer


@router.get("/{name}/versions/{ref}", dependencies=[READER])
def show_version(name: Name, ref: Ref, services: Services) -> schemas.OptimizerVersionAnswer:
    """One version, by number, alias or `latest`."""
    return service.show_version(services, name, ref)


@router.patch("/{name}/versions/{ref}")
def annotate(
    name: Name,
    ref: Ref,
    body: schemas.AnnotationRequest,
    services: Services,
    principal: Submitter,
) -> schemas.OptimizerVersionAnswer:
    """Describe and tag a version, of one's own or with `admin`. Its Θ and its lineage never
    change."""
    return service.annotate(services, name, ref, body, principal)


@router.get("/{name}/versions/{ref}/compare", dependencies=[READER])
def compare(
    name: Name, ref: Ref, to: Reference, services: Services, principal: Reader
) -> schemas.ComparisonAnswer:
    """This version (left) and another one (right): specs, lineage, metrics and evaluations side by
    side."""
    return service.compare(services, name, ref, to, principal)


@router.get("/{name}/aliases", dependencies=[READER])
def list_aliases(
    name: Name, services: Services, cursor: PageCursor = None, limit: PageLimit = 1000
) -> schemas.AliasList:
    """Aliases, and the history of their moves, page by page."""
    return service.list_aliases(services, name, cursor=cursor, limit=limit)


@router.put("/{name}/aliases/{alias}")
def move_alias(
    name: Name, alias: Alias, body: schemas.AliasRequest, services: Services, principal: Admin
) -> schemas.OptimizerVersionAnswer:
    """Point an alias at a version, and protect it or not; who did it and why is kept."""
    return service.move_alias(services, name, alias, body, actor=principal.name)


@router.delete("/{name}/aliases/{alias}", status_code=204)
def delete_alias(
    name: Name,
    alias: Alias,
    services: Services,
    principal: Admin,
    reason: Annotated[schemas.Reason, Query()] = "",
) -> None:
    """Remove an alias; its history stays."""
    services.registry.delete_alias(name, alias, actor=principal.name, reason=reason)


router.include_router(downloads.router)
router.include_router(removals.router)

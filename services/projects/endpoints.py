"""REST calls about projects. The wire is docs/rest.md."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request, Response

from services.auth.dependencies import Principal, require
from services.container import Services
from services.idempotency.dependencies import AdminPost
from services.pages import PageCursor, PageLimit
from services.projects import schemas, service
from services.projects.tables import PROJECT_PATTERN
from services.strict_routes import StrictRoute

router = APIRouter(prefix="/v1/projects", tags=["projects"], route_class=StrictRoute)

READER: Final = Depends(require("read"))
ADMIN: Final = Depends(require("admin"))
Name = Annotated[str, Path(pattern=PROJECT_PATTERN, description="Name of a project")]


@router.get("", dependencies=[READER])
def list_projects(
    services: Services,
    principal: Annotated[Principal, READER],
    cursor: PageCursor = None,
    limit: PageLimit = 200,
) -> schemas.ProjectList:
    """The projects that the asker sees, by name."""
    return service.list_projects(services, principal, cursor=cursor, limit=limit)


@router.post(
    "",
    status_code=201,
    responses={200: {"model": schemas.ProjectAnswer, "description": "A repeat"}},
)
def make_project(
    body: schemas.ProjectRequest,
    request: Request,
    services: Services,
    post: AdminPost,
    response: Response,
) -> schemas.ProjectAnswer:
    """Make a project; keys of it are made with `POST /v1/keys`."""
    project, made_now = service.make_project(services, body, post)
    request.state.subject = project.name
    response.status_code = 201 if made_now else 200
    return project


@router.get("/{name}", dependencies=[READER])
def show_project(name: Name, services: Services) -> schemas.ProjectAnswer:
    """One project."""
    return service.show_project(services, name)


@router.patch("/{name}", dependencies=[ADMIN])
def change_project(
    name: Name, body: schemas.ProjectChange, services: Services
) -> schemas.ProjectAnswer:
    """Describe a project, or archive it; what is left out stays."""
    return service.change_project(services, name, body)

"""Use cases of projects: listed, made, described, archived."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.auth.scopes import DEFAULT_PROJECT, Principal
from services.container import Container
from services.database.base import now
from services.idempotency.service import Post, hash_body
from services.pages import cut_page
from services.problems import Conflict, invalid
from services.projects.opening import load_project
from services.projects.quotas import measure_use
from services.projects.schemas import (
    ProjectAnswer,
    ProjectChange,
    ProjectList,
    ProjectRequest,
    Quotas,
    UseAnswer,
)
from services.projects.tables import Project


def list_projects(
    services: Container, principal: Principal, *, cursor: str | None, limit: int
) -> ProjectList:
    """The projects that the principal sees, by name."""
    query = select(Project).order_by(Project.name)
    seen = principal.choose()
    if seen is not None:
        query = query.where(Project.name.in_(seen))
    with services.database.read() as session:
        page = cut_page(session.scalars(query).all(), cursor, limit)
        items = [_make_answer(project) for project in page.items]
    return ProjectList(items=items, next_cursor=page.next_cursor)


def show_project(services: Container, name: str) -> ProjectAnswer:
    """One project."""
    with services.database.read() as session:
        answer = _make_answer(load_project(session, name))
        use = UseAnswer(**asdict(measure_use(session, name)))
    return answer.model_copy(update={"use": use})


def make_project(
    services: Container, request: ProjectRequest, post: Post
) -> tuple[ProjectAnswer, bool]:
    """A new project, and whether it was this call that made it.

    Raises:
        Conflict: there is one of this name.
    """

    def insert(session: Session) -> ProjectAnswer:
        if session.get(Project, request.name) is not None:
            raise Conflict(f"There is a project {request.name!r} already.")
        project = Project(
            name=request.name,
            description=request.description,
            created_at=now(),
            turn=0,
            **request.quotas.model_dump(),
        )
        session.add(project)
        session.flush()
        return _make_answer(project)

    outcome = post.run_once(services.database, hash_body(request), request.name, insert)
    if outcome.result is not None:
        return outcome.result, True
    return show_project(services, outcome.resource), False


def change_project(services: Container, name: str, change: ProjectChange) -> ProjectAnswer:
    """Describe or archive a project; what the request leaves out stays.

    Raises:
        Problem: 422 where the project `default` would be archived.
    """
    with services.database.write() as session:
        project = load_project(session, name, lock=True)
        if "description" in change.model_fields_set:
            project.description = change.description
        for quota, limit in change.quotas.model_dump(exclude_unset=True).items():
            setattr(project, quota, limit)
        if "archived" in change.model_fields_set:
            _archive(project, archived=change.archived)
        return _make_answer(project)


def _archive(project: Project, *, archived: bool) -> None:
    if not archived:
        project.archived_at = None
    elif project.name == DEFAULT_PROJECT:
        raise invalid("archived", "the project 'default' is always open")
    elif project.archived_at is None:
        project.archived_at = now()


def _make_answer(project: Project) -> ProjectAnswer:
    limits = {name: getattr(project, name) for name in Quotas.model_fields}
    return ProjectAnswer(
        name=project.name,
        description=project.description,
        created_at=project.created_at,
        archived_at=project.archived_at,
        quotas=Quotas(**limits),
    )

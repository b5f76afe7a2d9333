"""Whether something may be added to a project."""

from __future__ import annotations

from sqlalchemy.orm import Session

from services.problems import Forbidden
from services.projects.reach import project_not_found
from services.projects.tables import Project


def load_project(session: Session, name: str, *, lock: bool = False) -> Project:
    """
    Raises:
        NotFound: there is no such project.
    """
    project = session.get(Project, name, with_for_update=lock or None)
    if project is None:
        raise project_not_found(name)
    return project


def check_open(session: Session, name: str) -> Project:
    """The project, locked, if something may be added to it.

    Raises:
        Forbidden: it is archived.
    """
    project = load_project(session, name, lock=True)
    if project.archived_at is not None:
        raise Forbidden(f"The project {name!r} is archived: nothing is added to it.")
    return project

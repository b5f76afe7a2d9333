"""Whose the name of an optimizer is: only its owner, and the scope `admin`, make versions of it,
describe them, and attach evidence to them.

A name belongs to a project. Its owner there is the name of the API key that used it first, so that
a new key of the same name takes over from a lost one; only admins make keys. The names of toys are
everybody's in the project `default`; in another project a toy's name begins with the project's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from meta_trainer.specs.presets import PRESETS
from meta_trainer.specs.study_presets import STUDY_PRESETS
from registry import OptimizerNotFound, Registry
from services.auth.scopes import DEFAULT_PROJECT, Principal
from services.database.base import Database, now
from services.jobs.tables import Job
from services.optimizers.tables import OptimizerName
from services.problems import Forbidden
from services.projects.tables import Project

COMMON_NAMES: Final = frozenset(
    [PRESETS["quick"]["register_as"]]
    + [study["base"]["register_as"] for study in STUDY_PRESETS.values()]
)
"""What `quick` jobs and ready studies register as."""
_EVERYBODY: Final = ""
"""As an owner: everybody in the project."""


@dataclass(frozen=True, kw_only=True)
class Belonging:
    """Whose a name is."""

    project: str
    owner: str | None
    """None: nobody's yet, or everybody's in the project."""


def name_toy(name: str, project: str) -> str:
    """What a toy of this name is called in a project."""
    return name if project == DEFAULT_PROJECT else f"{project}-{name}"


def find_belonging(database: Database, registry: Registry, name: str) -> Belonging | None:
    """Whose the name is; None: it is free. A name from before there were owners is that of who made
    its oldest version."""
    if name in COMMON_NAMES:
        return Belonging(project=DEFAULT_PROJECT, owner=None)
    with database.read() as session:
        row = session.get(OptimizerName, name)
    if row is not None:
        return Belonging(project=row.project, owner=row.owner or None)
    project = _find_project_of_toy(database, name)
    if project is not None:
        return Belonging(project=project, owner=None)
    return _find_maker(database, registry, name)


def may_write(database: Database, registry: Registry, name: str, principal: Principal) -> bool:
    """Whether the principal may make versions of it, describe them, and attach evidence."""
    belonging = find_belonging(database, registry, name)
    if belonging is None:
        return True
    if not principal.sees(belonging.project):
        return False
    if "admin" in principal.scopes:
        return True
    is_there = belonging.project == principal.project
    return is_there and belonging.owner in (None, principal.name)


def check_owner(database: Database, registry: Registry, name: str, principal: Principal) -> None:
    """
    Raises:
        Forbidden: the name is another's.
    """
    if may_write(database, registry, name, principal):
        return
    belonging = find_belonging(database, registry, name)
    if belonging is None or belonging.project != principal.project:  # whose it is, is not told
        hint = f"{name_toy(name, principal.project)!r}" if name in COMMON_NAMES else "another name"
        raise Forbidden(f"The name {name!r} is taken: take {hint} (`register_as`).")
    raise Forbidden(
        f"The optimizer {name!r} belongs to {belonging.owner!r}: take another name "
        "(`register_as`), or ask a key with the scope 'admin' to hand it over."
    )


def claim_name(database: Database, registry: Registry, name: str, principal: Principal) -> None:
    """Make a name that is nobody's the principal's own, in the project where it acts.

    Raises:
        Forbidden: it is another's.
    """
    check_owner(database, registry, name, principal)
    belonging = find_belonging(database, registry, name)
    if name in COMMON_NAMES or (belonging is not None and belonging.owner is not None):
        return
    is_toy = _find_project_of_toy(database, name) is not None
    place = principal.project if belonging is None else belonging.project
    _insert(database, name, _EVERYBODY if is_toy else principal.name, place)
    check_owner(database, registry, name, principal)


def hand_over(database: Database, name: str, owner: str, project: str | None = None) -> None:
    """Give a name to another owner, of a project if it is to be another."""
    with database.write() as session:
        row = session.get(OptimizerName, name, with_for_update=True)
        if row is not None:
            row.owner = owner
            row.project = project or row.project
            return
    _insert(database, name, owner, project or DEFAULT_PROJECT)


def share_name(database: Database, registry: Registry, name: str, *, shared: bool) -> None:
    """Let all projects read the versions of a name, or no longer."""
    keep_row(database, registry, name)
    with database.write() as session:
        row = session.get(OptimizerName, name, with_for_update=True)
        if row is not None:
            row.shared = shared


def list_seen(database: Database, names: Iterable[str], principal: Principal) -> list[str]:
    """Of names of optimizers, those whose versions the principal may read."""
    if principal.places is None:
        return list(names)
    with database.read() as session:
        rows = session.scalars(select(OptimizerName)).all()
    is_seen = {row.name: row.shared or principal.sees(row.project) for row in rows}
    sees_unclaimed = principal.sees(DEFAULT_PROJECT)
    return [name for name in names if is_seen.get(name, sees_unclaimed)]


def keep_row(database: Database, registry: Registry, name: str) -> None:
    """A row for a name that somebody has: names of toys, and those from before there were owners,
    have none yet."""
    belonging = find_belonging(database, registry, name)
    if belonging is not None:
        _insert(database, name, belonging.owner or _EVERYBODY, belonging.project)


def count_bytes(session: Session, name: str, n_bytes: int) -> None:
    """So much was uploaded under a name that has a row; below zero: deleted."""
    row = session.get(OptimizerName, name, with_for_update=True)
    if row is not None:
        row.uploaded_bytes = max(0, row.uploaded_bytes + n_bytes)


def is_shared(database: Database, name: str) -> bool:
    """Whether all projects may read the versions of a name."""
    with database.read() as session:
        row = session.get(OptimizerName, name)
    return row is not None and row.shared


def _insert(database: Database, name: str, owner: str, project: str) -> None:
    """Unless another was quicker."""
    insert = sqlite.insert if database.is_sqlite else postgresql.insert
    row = {"name": name, "owner": owner, "project": project, "claimed_at": now()}
    with database.write() as session:
        session.execute(insert(OptimizerName).values(**row).on_conflict_do_nothing())


def _find_project_of_toy(database: Database, name: str) -> str | None:
    """The project whose toy has this name."""
    prefixes = [name.removesuffix(f"-{toy}") for toy in COMMON_NAMES if name.endswith(f"-{toy}")]
    if not prefixes:
        return None
    query = select(Project.name).where(Project.name.in_(prefixes)).order_by(Project.name).limit(1)
    with database.read() as session:
        return session.scalar(query)


def _find_maker(database: Database, registry: Registry, name: str) -> Belonging | None:
    """Of a name from before there were owners; None: it has no version."""
    try:
        oldest = registry.versions(name)[-1]
    except (OptimizerNotFound, IndexError):
        return None
    if oldest.run_id is None:
        owner = oldest.tags.get("uploaded_by")
        return Belonging(project=DEFAULT_PROJECT, owner=owner)
    with database.read() as session:
        maker = session.scalar(select(Job.actor).where(Job.run_id == oldest.run_id))
    return Belonging(project=DEFAULT_PROJECT, owner=maker)

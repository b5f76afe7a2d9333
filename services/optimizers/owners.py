"""Whose the name of an optimizer is: only its owner, and the scope `admin`, make versions of it,
describe them, and attach evidence to them.

The owner is the name of the API key that used it first, so that a new key of the same name takes
over from a lost one; only admins make keys. The names of toys are everybody's.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from meta_trainer.specs.presets import PRESETS
from meta_trainer.specs.study_presets import STUDY_PRESETS
from registry import OptimizerNotFound, Registry
from services.auth.scopes import Principal
from services.database.base import Database, now
from services.jobs.tables import Job
from services.optimizers.tables import OptimizerName
from services.problems import Forbidden

COMMON_NAMES: Final = frozenset(
    [PRESETS["quick"]["register_as"]]
    + [study["base"]["register_as"] for study in STUDY_PRESETS.values()]
)
"""What `quick` jobs and ready studies register as."""


def find_owner(database: Database, registry: Registry, name: str) -> str | None:
    """Whose it is; None: nobody's yet, or everybody's. Of a name from before there were owners it
    is who made its oldest version."""
    if name in COMMON_NAMES:
        return None
    with database.read() as session:
        row = session.get(OptimizerName, name)
    return _find_maker(database, registry, name) if row is None else row.owner


def may_write(database: Database, registry: Registry, name: str, principal: Principal) -> bool:
    """Whether the principal may make versions of it, describe them, and attach evidence."""
    if "admin" in principal.scopes:
        return True
    return find_owner(database, registry, name) in (None, principal.name)


def check_owner(database: Database, registry: Registry, name: str, principal: Principal) -> None:
    """
    Raises:
        Forbidden: the name is another's.
    """
    if not may_write(database, registry, name, principal):
        owner = find_owner(database, registry, name)
        raise Forbidden(
            f"The optimizer {name!r} belongs to {owner!r}: take another name (`register_as`), "
            "or ask a key with the scope 'admin' to hand it over."
        )


def claim_name(database: Database, registry: Registry, name: str, principal: Principal) -> None:
    """Make a name that is nobody's the principal's own.

    Raises:
        Forbidden: it is another's.
    """
    if name not in COMMON_NAMES and find_owner(database, registry, name) is None:
        _insert(database, name, principal.name)
    check_owner(database, registry, name, principal)


def hand_over(database: Database, name: str, owner: str) -> None:
    """Give a name to another owner."""
    with database.write() as session:
        row = session.get(OptimizerName, name, with_for_update=True)
        if row is not None:
            row.owner = owner
            return
    _insert(database, name, owner)


def _insert(database: Database, name: str, owner: str) -> None:
    """Unless another was quicker."""
    insert = sqlite.insert if database.is_sqlite else postgresql.insert
    row = {"name": name, "owner": owner, "claimed_at": now()}
    with database.write() as session:
        session.execute(insert(OptimizerName).values(**row).on_conflict_do_nothing())


def _find_maker(database: Database, registry: Registry, name: str) -> str | None:
    try:
        oldest = registry.versions(name)[-1]
    except (OptimizerNotFound, IndexError):
        return None
    if oldest.run_id is None:
        return oldest.tags.get("uploaded_by")
    with database.read() as session:
        return session.scalar(select(Job.actor).where(Job.run_id == oldest.run_id))

"""What uploaded versions take of their project's storage: counted before they are stored, so that
no two uploads take the same room, whichever processes they reach.

A row says that an upload is under way, and counts as long as it may be. Whoever removes it counts
the version, if there is one by then. So what a kill left behind is settled by a later upload.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from registry import OptimizerNotFound, Registry, RegistryError, Version
from services.auth.scopes import Principal
from services.container import Container
from services.database.base import now
from services.optimizers.owners import count_bytes, find_belonging, keep_row
from services.optimizers.tables import UNDER_WAY, UploadUnderWay
from services.projects.opening import check_open
from services.projects.quotas import check_storage

log = structlog.get_logger(__name__)


@contextmanager
def take_room(
    services: Container, name: str, sha256: str, n_bytes: int, principal: Principal
) -> Iterator[None]:
    """Room for a version in the project of its name, while it is being stored.

    Raises:
        QuotaExceeded: there is none.
        Forbidden: the project is archived.
    """
    _settle_old(services)
    is_there = find_uploaded(services.registry, name, sha256) is not None
    belonging = find_belonging(services.database, services.registry, name)
    place = principal.project if belonging is None else belonging.project
    with services.database.write() as session:
        project = check_open(session, place)
        row = session.get(UploadUnderWay, (name, sha256))
        if row is not None:
            row.started_at = now()
        elif not is_there:
            check_storage(session, project, n_bytes)
            session.add(
                UploadUnderWay(
                    optimizer=name, sha256=sha256, project=place, n_bytes=n_bytes, started_at=now()
                )
            )
    try:
        yield
    finally:
        _settle(services, name, sha256)


def find_uploaded(registry: Registry, name: str, sha256: str) -> Version | None:
    """The oldest version with these bytes."""
    try:
        versions = registry.versions(name)
    except OptimizerNotFound:
        return None
    same_bytes = [version for version in versions if version.sha256 == sha256]
    return same_bytes[-1] if same_bytes else None


def _settle(services: Container, name: str, sha256: str) -> None:
    """Take an upload off those that are under way, and count what came of it. Where that fails, it
    is left to a later upload."""
    try:
        version = find_uploaded(services.registry, name, sha256)
        keep_row(services.database, services.registry, name)
        with services.database.write() as session:
            row = session.get(UploadUnderWay, (name, sha256), with_for_update=True)
            if row is None:
                return
            session.delete(row)
            if version is not None and version.run_id is None:
                count_bytes(session, name, version.size_bytes)
    except (RegistryError, SQLAlchemyError) as error:
        log.warning("upload.not_counted", optimizer=name, sha256=sha256, error=str(error))


def _settle_old(services: Container) -> None:
    """Uploads whose process was killed."""
    is_old = UploadUnderWay.started_at <= now() - UNDER_WAY
    with services.database.read() as session:
        rows = list(session.scalars(select(UploadUnderWay).where(is_old)))
    for row in rows:
        _settle(services, row.optimizer, row.sha256)

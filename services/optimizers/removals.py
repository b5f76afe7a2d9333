"""Archiving, restoring and deleting versions.

A version stays while an alias points at it or a job that has not ended names it; where others were
trained from it, deleting it takes a word more. What is deleted leaves its number, its digest, who
did it and why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry import Version
from services.container import Container, Services
from services.idempotency.dependencies import AdminPost
from services.idempotency.service import hash_body
from services.jobs.lifecycle import ENDED, State
from services.jobs.tables import Job
from services.optimizers import schemas
from services.optimizers.answers import answer_version
from services.optimizers.children import check_childless
from services.optimizers.owners import count_bytes
from services.optimizers.parameters import READER, Admin, Name, Number
from services.pages import PageCursor, PageLimit, cut_page
from services.problems import Conflict
from services.strict_routes import StrictRoute

router = APIRouter(route_class=StrictRoute)


@router.post("/{name}/versions/{ref}/archive")
def archive(
    name: Name, number: Number, body: schemas.RemovalRequest, services: Services, post: AdminPost
) -> schemas.OptimizerVersionAnswer:
    """Take a version out of lists and from `latest`; its file stays, for whoever names it."""

    def change(_session: Session) -> Version:
        check_unneeded(services, name, number)
        actor = post.principal.name
        return services.registry.archive_version(name, number, actor=actor, reason=body.reason)

    outcome = post.run_once(services.database, hash_body(body), f"{name}@{number}", change)
    return answer_version(services, outcome.result or find_version(services, name, number))


@router.post("/{name}/versions/{ref}/restore")
def restore(
    name: Name, number: Number, body: schemas.RemovalRequest, services: Services, post: AdminPost
) -> schemas.OptimizerVersionAnswer:
    """Bring an archived version back."""

    def change(_session: Session) -> Version:
        actor = post.principal.name
        return services.registry.restore_version(name, number, actor=actor, reason=body.reason)

    outcome = post.run_once(services.database, hash_body(body), f"{name}@{number}", change)
    return answer_version(services, outcome.result or find_version(services, name, number))


@router.delete("/{name}/versions/{ref}", status_code=204)
def delete(
    name: Name,
    number: Number,
    services: Services,
    principal: Admin,
    reason: Annotated[schemas.Reason, Query()] = "",
    force: Annotated[bool, Query(description="Also where others were trained from it")] = False,
) -> None:
    """Delete a version with its file; its number is never given again. The parent of other versions
    stays without `force`; they stay in any case."""
    check_unneeded(services, name, number)
    version = find_version(services, name, number)
    if not force:
        check_childless(services, version, principal)
    services.registry.delete_version(name, number, actor=principal.name, reason=reason)
    services.weights.forget(name, number)
    if version.run_id is None:
        with services.database.write() as session:
            count_bytes(session, name, -version.size_bytes)


@router.get("/{name}/history", dependencies=[READER])
def list_history(
    name: Name, services: Services, cursor: PageCursor = None, limit: PageLimit = 1000
) -> schemas.VersionHistory:
    """What became of versions: each archiving, restoring and deletion, with who and why."""
    page = cut_page(services.registry.version_history(name), cursor, limit)
    items = [schemas.VersionChangeAnswer(**asdict(change)) for change in page.items]
    return schemas.VersionHistory(items=items, next_cursor=page.next_cursor)


def find_version(services: Container, name: str, number: int) -> Version:
    """As it is now, after an earlier request with the same key."""
    return services.registry.version(name, str(number))


def check_unneeded(services: Container, name: str, number: int) -> None:
    """No job that has not ended names the version.

    Raises:
        Conflict: one does.
    """
    reference = f"{name}@{number}"
    ended = [state.value for state in ENDED]
    with services.database.read() as session:
        query = select(Job.id, Job.state, Job.spec).where(Job.state.not_in(ended))
        for job_id, state, spec in session.execute(query):
            if reference in list_texts(spec):
                message = f"The job {job_id} needs {reference}: cancel it, or wait for its end."
                raise Conflict(message, state=State(state))


def list_texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value; a complete spec names versions by number."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            pending += item.values()
        elif isinstance(item, list):
            pending += item

"""Who did what: submissions and actions of the newest jobs, moves of aliases, what became of
versions, and keys. Put together from what each of them keeps; nothing is kept twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry import Registry
from services.audit.tables import AuditedRequest
from services.container import Container
from services.jobs.tables import Event, Job
from services.system.schemas import AuditEntry, AuditList

MAX_JOBS: Final = 500
"""The newest jobs, whose submissions and actions are looked at."""


def list_audit(services: Container, *, limit: int) -> AuditList:
    """The newest entries, newest first."""
    entries = [*_list_of_registry(services.registry), *_list_of_keys(services)]
    with services.database.read() as session:
        entries += _list_of_jobs(session)
    entries.sort(key=lambda entry: entry.time, reverse=True)
    return AuditList(items=entries[:limit])


def _list_of_jobs(session: Session) -> Iterator[AuditEntry]:
    newest = select(Job).order_by(Job.seq.desc()).limit(MAX_JOBS)
    ids = []
    for job in session.scalars(newest):
        ids.append(job.id)
        yield AuditEntry(
            time=job.created_at, actor=job.actor, action=f"submitted: {job.kind}", subject=job.id
        )

    changes = select(Event).where(Event.job_id.in_(ids), Event.type == "job.state")
    for event in session.scalars(changes):
        actor = event.data.get("actor")
        if actor is not None:
            yield AuditEntry(
                time=event.time,
                actor=actor,
                action=f"made it {event.data['to']}",
                subject=event.job_id,
            )


def _list_of_registry(registry: Registry) -> Iterator[AuditEntry]:
    for optimizer in registry.optimizers(unlisted=True):
        for move in registry.alias_history(optimizer):
            is_removed = move.new_version is None
            action = f"removed the alias {move.alias}" if is_removed else f"set {move.alias}"
            yield AuditEntry(
                time=move.changed_at,
                actor=move.actor,
                action=f"{action}, protected" if move.protected else action,
                subject=f"{optimizer}@{move.old_version if is_removed else move.new_version}",
                reason=move.reason,
            )
        for change in registry.version_history(optimizer):
            yield AuditEntry(
                time=change.changed_at,
                actor=change.actor,
                action=change.action,
                subject=f"{optimizer}@{change.number}",
                reason=change.reason,
            )


def _list_of_keys(services: Container) -> Iterator[AuditEntry]:
    """Who made or revoked a key is in the audit log, if that was there already."""
    hands = _read_hands(services)
    for key in services.api_keys.list():
        subject = f"key {key.prefix} of {key.name}"
        maker = hands.get(("POST", key.id))
        yield AuditEntry(time=key.created_at, actor=maker, action="key made", subject=subject)
        if key.revoked_at is not None:
            actor = hands.get(("DELETE", key.id))
            yield AuditEntry(
                time=key.revoked_at, actor=actor, action="key revoked", subject=subject
            )


def _read_hands(services: Container) -> dict[tuple[str, str], str]:
    """Method and id of a key → who sent that first."""
    is_done = (AuditedRequest.path.startswith("/v1/keys"), AuditedRequest.status < 300)
    hands: dict[tuple[str, str], str] = {}
    with services.database.read() as session:
        for row in session.scalars(select(AuditedRequest).where(*is_done)):
            words = (row.subject or row.path.replace("/", " ")).split()
            key_id = words[1] if row.subject else words[-1]
            hands.setdefault((row.method, key_id), row.actor)
    return hands

"""Use cases about optimizers: from the registry's records to the wire's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from hyperadam.theta import Theta
from sqlalchemy import select

from registry.alias_log import targets
from registry.contract import OptimizerNotFound, Version
from services.container import Container
from services.idempotency.service import Post, digest
from services.jobs.tables import Job
from services.optimizers.schemas import (
    AliasAnswer,
    AliasChangeAnswer,
    AliasList,
    OptimizerAnswer,
    OptimizerList,
    OptimizerVersionAnswer,
    OptimizerVersionList,
)


def listing(services: Container, *, cursor: str | None, limit: int) -> OptimizerList:
    """Optimizers by name, from the one after `cursor` on."""
    names = [name for name in services.registry.optimizers() if cursor is None or name > cursor]
    page = names[:limit]
    items = [show(services, name) for name in page]
    return OptimizerList(items=items, next_cursor=page[-1] if len(names) > limit else None)


def show(services: Container, name: str) -> OptimizerAnswer:
    latest = services.registry.version(name, "latest")
    aliases = targets(services.registry.alias_history(name))
    return OptimizerAnswer(name=name, latest=version_answers(services, [latest])[0], aliases=aliases)


def versions(services: Container, name: str, *, cursor: int | None, limit: int) -> OptimizerVersionList:
    """Versions, newest first, from the one before number `cursor` on."""
    found = [v for v in services.registry.versions(name) if cursor is None or v.number < cursor]
    page = found[:limit]
    more = str(page[-1].number) if len(found) > limit else None
    return OptimizerVersionList(items=version_answers(services, page), next_cursor=more)


def version(services: Container, name: str, ref: str) -> OptimizerVersionAnswer:
    return version_answers(services, [services.registry.version(name, ref)])[0]


def version_answers(services: Container, found: Sequence[Version]) -> list[OptimizerVersionAnswer]:
    """The versions as they go over the wire, with the jobs that made them: one query for all."""
    jobs = _jobs_of_runs(services, {v.run_id for v in found if v.run_id is not None})
    return [
        OptimizerVersionAnswer(
            optimizer=v.optimizer,
            number=v.number,
            sha256=v.sha256,
            size_bytes=v.size_bytes,
            created_at=v.created_at,
            job_id=jobs.get(v.run_id) if v.run_id is not None else None,
            manifest=dict(v.manifest),
            tags=dict(v.tags),
            aliases=list(v.aliases),
        )
        for v in found
    ]


def _jobs_of_runs(services: Container, run_ids: set[str]) -> dict[str, str]:
    if not run_ids:
        return {}
    with services.database.read() as session:
        rows = session.execute(select(Job.run_id, Job.id).where(Job.run_id.in_(run_ids))).all()
    return {run_id: job_id for run_id, job_id in rows if run_id is not None}


def upload(services: Container, name: str, data: bytes, post: Post) -> tuple[OptimizerVersionAnswer, bool]:
    """A version from a Θ file made elsewhere, and whether it is new: the same bytes again are the same version. So the
    idempotency key, which cannot be claimed together with the version, is claimed before.

    Raises:
        ThetaError: the bytes are not a valid Θ file.
        IdempotencyMismatch: the key was used with other bytes.
    """
    theta = Theta.from_bytes(data)
    post.once(services.database, digest(data), theta.sha256, lambda _session: None)
    try:
        known = [v for v in services.registry.versions(name) if v.sha256 == theta.sha256]
    except OptimizerNotFound:
        known = []
    if known:
        return version_answers(services, known[-1:])[0], False
    tags = {"source": "upload", "uploaded_by": post.principal.name}
    made = services.registry.create_version(name, theta, key=f"upload-{theta.sha256}", tags=tags)
    return version_answers(services, [made])[0], True


def move_alias(
    services: Container, name: str, alias: str, number: int, *, actor: str, reason: str
) -> OptimizerVersionAnswer:
    made = services.registry.set_alias(name, alias, number, actor=actor, reason=reason)
    return version_answers(services, [made])[0]


def aliases(services: Container, name: str) -> AliasList:
    history = services.registry.alias_history(name)
    now = [AliasAnswer(alias=alias, version=number) for alias, number in sorted(targets(history).items())]
    return AliasList(items=now, history=[AliasChangeAnswer(**asdict(change)) for change in history])

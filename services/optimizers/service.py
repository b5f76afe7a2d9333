"""Use cases about optimizers: from the registry's records to the wire's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice

from hyperadam.names import split_ref
from hyperadam.theta import Theta
from sqlalchemy import select

from registry.alias_log import protected, targets
from registry.contract import OptimizerNotFound, Version
from services.container import Container
from services.idempotency.service import Post, digest
from services.jobs.tables import Job
from services.optimizers import comparison
from services.optimizers.lineage import lineage_of, metrics_of
from services.optimizers.schemas import (
    AliasAnswer,
    AliasChangeAnswer,
    AliasList,
    AliasRequest,
    AnnotationRequest,
    AttachedEvaluation,
    ComparisonAnswer,
    OptimizerAnswer,
    OptimizerList,
    OptimizerVersionAnswer,
    OptimizerVersionList,
)
from services.optimizers.search import Search
from services.problems import invalid


def listing(
    services: Container, search: Search, *, cursor: str | None, limit: int
) -> OptimizerList:
    """Optimizers with a version that the search admits, by name, from the one after `cursor` on."""
    names = (name for name in services.registry.optimizers() if cursor is None or name > cursor)
    page = list(
        islice(
            (name for name in names if search.is_empty or _has(services, name, search)), limit + 1
        )
    )
    items = [show(services, name) for name in page[:limit]]
    return OptimizerList(items=items, next_cursor=page[limit - 1] if len(page) > limit else None)


def _has(services: Container, name: str, search: Search) -> bool:
    return any(map(search.admits, services.registry.versions(name)))


def show(services: Container, name: str) -> OptimizerAnswer:
    latest = services.registry.version(name, "latest")
    aliases = targets(services.registry.alias_history(name))
    return OptimizerAnswer(
        name=name, latest=version_answers(services, [latest])[0], aliases=aliases
    )


def versions(
    services: Container, name: str, search: Search, *, cursor: int | None, limit: int
) -> OptimizerVersionList:
    """Versions that the search admits, newest first, from the one before number `cursor` on."""
    earlier = [v for v in services.registry.versions(name) if cursor is None or v.number < cursor]
    found = [v for v in earlier if search.admits(v)]
    page = found[:limit]
    more = str(page[-1].number) if len(found) > limit else None
    return OptimizerVersionList(items=version_answers(services, page), next_cursor=more)


def version(services: Container, name: str, ref: str) -> OptimizerVersionAnswer:
    return version_answers(services, [services.registry.version(name, ref)])[0]


def version_answers(services: Container, found: Sequence[Version]) -> list[OptimizerVersionAnswer]:
    """The versions as they go over the wire, with the jobs that made them: one query for all."""
    jobs = _jobs_of_runs(services, {v.run_id for v in found if v.run_id is not None})
    return [_answer(v, jobs.get(v.run_id) if v.run_id is not None else None) for v in found]


def _answer(version: Version, job_id: str | None) -> OptimizerVersionAnswer:
    return OptimizerVersionAnswer(
        optimizer=version.optimizer,
        number=version.number,
        sha256=version.sha256,
        size_bytes=version.size_bytes,
        created_at=version.created_at,
        job_id=job_id,
        manifest=dict(version.manifest),
        description=version.description,
        tags=dict(version.tags),
        aliases=list(version.aliases),
        lineage=lineage_of(version, job_id),
        metrics=metrics_of(version),
        evaluations=[
            AttachedEvaluation(
                job_id=one.job_id, evaluated_at=one.evaluated_at, summary=dict(one.summary)
            )
            for one in version.evaluations
        ],
    )


def annotate(
    services: Container, name: str, ref: str, request: AnnotationRequest
) -> OptimizerVersionAnswer:
    """
    Raises:
        Problem: 422 where there would be too many tags.
    """
    number = services.registry.version(name, ref).number
    try:
        made = services.registry.annotate(
            name, number, description=request.description, tags=request.tags
        )
    except ValueError as error:
        raise invalid("tags", str(error)) from error
    return version_answers(services, [made])[0]


def compare(services: Container, name: str, ref: str, other: str) -> ComparisonAnswer:
    """Two versions side by side; `other` is a reference, `name@ref`."""
    left, right = services.registry.version(name, ref), services.registry.version(*split_ref(other))
    answers = version_answers(services, [left, right])
    return ComparisonAnswer(
        left=answers[0],
        right=answers[1],
        spec=comparison.spec_differences(left, right),
        lineage=comparison.lineage_differences(left, right),
        metrics=comparison.metrics(left, right),
        evaluations=comparison.evaluations(left, right),
    )


def _jobs_of_runs(services: Container, run_ids: set[str]) -> dict[str, str]:
    if not run_ids:
        return {}
    with services.database.read() as session:
        rows = session.execute(select(Job.run_id, Job.id).where(Job.run_id.in_(run_ids))).all()
    return {run_id: job_id for run_id, job_id in rows if run_id is not None}


def upload(
    services: Container, name: str, data: bytes, post: Post
) -> tuple[OptimizerVersionAnswer, bool]:
    """A version from a Θ file made elsewhere, and whether it is new: the same bytes again are the
    same version. So the idempotency key, which cannot be claimed together with the version, is
    claimed before.

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
    services: Container, name: str, alias: str, request: AliasRequest, *, actor: str
) -> OptimizerVersionAnswer:
    """
    Raises:
        AliasProtected: it is, and the request does not end that.
    """
    made = services.registry.set_alias(
        name,
        alias,
        request.version,
        actor=actor,
        reason=request.reason,
        protected=request.protected,
    )
    return version_answers(services, [made])[0]


def aliases(services: Container, name: str) -> AliasList:
    history = services.registry.alias_history(name)
    locked = protected(history)
    now = [
        AliasAnswer(alias=alias, version=number, protected=alias in locked)
        for alias, number in sorted(targets(history).items())
    ]
    return AliasList(items=now, history=[AliasChangeAnswer(**asdict(change)) for change in history])

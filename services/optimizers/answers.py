"""Versions as they go over the wire, each proved to be sendable.

A row that cannot be sent (others may write to the registry, too) is named as damaged, and takes no
other row of a list with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import structlog
from hyperadam.signatures import Signature
from hyperadam.theta import Theta, ThetaError
from sqlalchemy import select

from registry import Version
from services.container import Container
from services.jobs.tables import Job
from services.optimizers.lineage import describe_lineage, read_metrics
from services.optimizers.schemas import (
    AttachedEvaluation,
    LineageAnswer,
    OptimizerVersionAnswer,
    SignatureAnswer,
)

_UNREADABLE: Final = (ValueError, TypeError, OverflowError, RecursionError)
log = structlog.get_logger(__name__)


def answer_versions(
    services: Container, versions: Sequence[Version]
) -> list[OptimizerVersionAnswer]:
    """The versions as they go over the wire, with the jobs that made them: one query for all."""
    run_ids = {version.run_id for version in versions if version.run_id is not None}
    jobs_by_run = _load_jobs_by_run(services, run_ids)

    answers = []
    for version in versions:
        job_id = None if version.run_id is None else jobs_by_run.get(version.run_id)
        answers.append(_build_answer(version, job_id))
    return answers


def answer_version(services: Container, version: Version) -> OptimizerVersionAnswer:
    [answer] = answer_versions(services, [version])
    return answer


def _load_jobs_by_run(services: Container, run_ids: set[str]) -> dict[str, str]:
    if not run_ids:
        return {}
    with services.database.read() as session:
        rows = session.execute(select(Job.run_id, Job.id).where(Job.run_id.in_(run_ids))).all()
    return {run_id: job_id for run_id, job_id in rows if run_id is not None}


def _build_answer(version: Version, job_id: str | None) -> OptimizerVersionAnswer:
    """The version on the wire; one whose stored row cannot go there is named as damaged, so that
    it takes no other version of a list with it."""
    if version.damage is not None:
        return _build_damaged_answer(version, job_id, version.damage)
    try:
        return _build_whole_answer(version, job_id)
    except _UNREADABLE as error:
        log.warning("version.damaged", version=f"{version.optimizer}@{version.number}")
        damage = f"its stored row cannot be read: {type(error).__name__}"
        return _build_damaged_answer(version, job_id, damage)


def _build_whole_answer(version: Version, job_id: str | None) -> OptimizerVersionAnswer:
    """The version on the wire, and the proof that it can be sent.

    Raises:
        ValueError, TypeError, OverflowError, RecursionError: it cannot.
    """
    evaluations = [
        AttachedEvaluation(
            job_id=evaluation.job_id,
            evaluated_at=evaluation.evaluated_at,
            summary=dict(evaluation.summary),
        )
        for evaluation in version.evaluations
    ]
    answer = OptimizerVersionAnswer(
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
        lineage=describe_lineage(version, job_id),
        metrics=read_metrics(version),
        evaluations=evaluations,
        archived=version.archived,
        signature=_read_signature(version),
    )
    answer.model_dump_json()
    return answer


def _read_signature(version: Version) -> SignatureAnswer | None:
    """None where there is none, or none that can be read: it proves nothing then."""
    if version.signature is None:
        return None
    try:
        return SignatureAnswer.model_validate(Signature.from_text(version.signature))
    except ValueError:
        log.warning("version.signature_unreadable", version=f"{version.optimizer}@{version.number}")
        return None


def _build_damaged_answer(
    version: Version, job_id: str | None, damage: str
) -> OptimizerVersionAnswer:
    source: Literal["job", "upload"] = "upload" if version.run_id is None else "job"
    return OptimizerVersionAnswer(
        optimizer=version.optimizer,
        number=version.number,
        sha256=version.sha256,
        size_bytes=version.size_bytes,
        created_at=version.created_at,
        job_id=job_id,
        manifest={},
        description="",
        tags={},
        aliases=list(version.aliases),
        lineage=LineageAnswer(
            source=source, job_id=job_id, parent=None, parent_sha256=None, datasets={}, code={}
        ),
        metrics={},
        evaluations=[],
        archived=version.archived,
        signature=None,
        damage=damage.encode("utf-8", "backslashreplace").decode()[:300],
    )


def check_answer(name: str, theta: Theta, n_bytes: int, tags: Mapping[str, str]) -> None:
    """What will be answered of a version can be sent: asked before anything is stored.

    Raises:
        ThetaError: it cannot.
    """
    version = Version(
        optimizer=name,
        number=1,
        sha256=theta.sha256,
        size_bytes=n_bytes,
        created_at=datetime.now(UTC),
        run_id=None,
        manifest=theta.manifest,
        tags=tags,
    )
    try:
        _build_whole_answer(version, None)
    except _UNREADABLE as error:
        raise ThetaError(f"the manifest cannot be sent as JSON: {error}") from error

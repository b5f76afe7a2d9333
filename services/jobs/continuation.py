"""What a meta-training's `continue_from` refers to: checked on submission, and pinned to one
checkpoint.

The checkpoint itself is read by the driver, which keeps a translation of it in the job's own run
(`meta_trainer.runs.continuation`).
"""

from __future__ import annotations

import re
from typing import Final

from pydantic import ValidationError

from meta_trainer.specs import ContinueSpec, MetaTrainingSpec, check_continuation
from meta_trainer.specs.problems import FieldProblem
from meta_trainer.training.checkpoints import BEST_CHECKPOINT, CheckpointError, read_update
from registry import ArtifactNotFound, Registry, RunNotFound
from services.auth.scopes import Principal
from services.container import Container
from services.jobs import queries
from services.jobs.lifecycle import ENDED, State
from services.jobs.specs import AnyJobSpec
from services.jobs.tables import Job
from services.problems import invalid

CHECKPOINT_PATH: Final = re.compile(r"checkpoints/(\d+)\.safetensors")
_JOB: Final = "spec.continue_from.job"
_CHECKPOINT: Final = "spec.continue_from.checkpoint"


def pin_continuation(services: Container, spec: AnyJobSpec, principal: Principal) -> AnyJobSpec:
    """The spec with the update of the checkpoint that it continues from, if it continues any.

    Raises:
        Problem: 422 naming the field: there is no such job, or no such checkpoint, or it cannot be
            gone on from.
    """
    if not isinstance(spec, MetaTrainingSpec) or spec.continue_from is None:
        return spec
    wanted = spec.continue_from
    run_id, original = _load_original(services, wanted.job, principal)
    update = _find_update(services.registry, run_id, wanted)
    checkpoint = ContinueSpec(job=wanted.job, checkpoint=update)
    pinned = spec.model_copy(update={"continue_from": checkpoint})
    try:
        check_continuation(pinned, original, original.timeline.begun(update))
    except FieldProblem as problem:
        raise invalid(f"spec.{problem.field}", problem.message) from problem
    return pinned


def _load_original(
    services: Container, job_id: str, principal: Principal
) -> tuple[str, MetaTrainingSpec]:
    """The run and the spec of the job that is to be continued."""
    with services.database.read() as session:
        job = queries.find_job(session, job_id)
        if job is None or not principal.sees(job.project):
            raise invalid(_JOB, f"there is no job {job_id!r}")
        obstacle = _find_obstacle(job)
        if obstacle is not None:
            raise invalid(_JOB, f"{job_id} cannot be continued: {obstacle}")
        run_id = str(job.run_id)
        content = job.spec
    try:
        return run_id, MetaTrainingSpec.model_validate(content)
    except ValidationError as error:
        message = f"{job_id} cannot be continued: this version does not understand its spec"
        raise invalid(_JOB, message) from error


def _find_obstacle(job: Job) -> str | None:
    """Why a job cannot be continued; None: it can."""
    if job.kind != "meta-training":
        return f"it is of kind {job.kind!r}"
    if State(job.state) not in ENDED:
        return f"it has not ended, it is {job.state}: wait for its end, or cancel it"
    return None if job.run_id is not None else "it never began"


def _find_update(registry: Registry, run_id: str, wanted: ContinueSpec) -> int:
    """The update of the wanted checkpoint."""
    best = _read_best_update(registry, run_id)
    updates = _list_updates(registry, run_id)
    if best is not None:
        updates.add(best)
    updates.discard(0)

    if wanted.checkpoint == "best" and best is not None:
        return best
    if wanted.checkpoint == "newest" and updates:
        return max(updates)
    if isinstance(wanted.checkpoint, int) and wanted.checkpoint in updates:
        return wanted.checkpoint
    listed = ", ".join(map(str, sorted(updates)))
    has = f"checkpoints of updates {listed}" if updates else "no checkpoint"
    message = f"{wanted.job} has {has}, not {wanted.checkpoint!r}"
    raise invalid(_CHECKPOINT, message)


def _list_updates(registry: Registry, run_id: str) -> set[int]:
    """The updates of the newest checkpoints, which a run keeps in a folder."""
    try:
        files = registry.list_artifacts(run_id, "checkpoints")
    except RunNotFound:  # it is being deleted
        return set()
    matches = [CHECKPOINT_PATH.fullmatch(file.path) for file in files]
    return {int(match[1]) for match in matches if match}


def _read_best_update(registry: Registry, run_id: str) -> int | None:
    """The update of the best checkpoint; None where there is none."""
    try:
        return read_update(registry.get_artifact(run_id, BEST_CHECKPOINT))
    except (ArtifactNotFound, RunNotFound, CheckpointError):
        return None

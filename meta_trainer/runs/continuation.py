"""Going on, as a new job, where another meta-training left off: with more episodes, other horizons,
another rate.

The other job's checkpoint is translated, once, into a checkpoint of the new job, which keeps it in
its own run: from then on it needs the other job no more. Episodes are counted on: with the same
seed, none is run twice, and a job that is continued in nothing but `n_episodes` (at a constant
rate) ends in the Θ of one that had them all from the start.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, Final, NamedTuple

from meta_trainer.runs.run_recorder import CHECKPOINT_FOLDER
from meta_trainer.specs import MetaTrainingSpec, check_continuation
from meta_trainer.specs.problems import FieldProblem
from meta_trainer.training.checkpoints import (
    BEST_CHECKPOINT,
    Checkpoint,
    CheckpointError,
    digest_spec,
    read_update,
)
from meta_trainer.training.units import make_rule
from registry import ArtifactNotFound, Registry, RunNotFound

START: Final = "start/checkpoint.safetensors"
"""Artifact of a run: what a job with `continue_from` begins with, as a checkpoint of its own."""
_DECIDE_VALIDATION: Final = {"rule", "task", "tasks", "unroll", "seed"}


class Start(NamedTuple):
    """What a job begins with that continues another."""

    checkpoint: bytes
    job: str
    """The one that is continued."""
    update: int
    """Of its checkpoint."""

    @property
    def lineage(self) -> dict[str, Any]:
        """What the manifest of Θ says of it; the digest is that of the file `START` in the job's
        run."""
        return {**self.told, "sha256": hashlib.sha256(self.checkpoint).hexdigest()}

    @property
    def told(self) -> dict[str, Any]:
        """What the event `continued` says."""
        return {"job": self.job, "update": self.update}


def load_start(
    spec: MetaTrainingSpec, registry: Registry, run_id: str, original_run_id: str | None
) -> Start | None:
    """What a job's `continue_from` refers to, kept in its run from the first attempt on; None where
    it starts afresh.

    Args:
        original_run_id: the run of the job that is continued; None: that job is gone.

    Raises:
        FieldProblem: what it refers to is gone, damaged, or cannot be gone on from.
    """
    if spec.continue_from is None:
        return None
    job, update = spec.continue_from.job, spec.continue_from.checkpoint
    if not isinstance(update, int):
        raise FieldProblem(
            "continue_from.checkpoint",
            f"continue_from.checkpoint must have been replaced by a number, got {update!r}",
        )
    try:
        return Start(registry.get_artifact(run_id, START), job, update)
    except ArtifactNotFound:
        pass
    if original_run_id is None:
        raise FieldProblem(
            "continue_from.job", f"continue_from.job {job} was deleted before this job began"
        )
    data, original = _read(registry, original_run_id, job, update)
    try:
        checkpoint = Checkpoint.from_bytes(data, make_rule(original.rule))
    except CheckpointError as error:
        raise FieldProblem(
            "continue_from.checkpoint",
            f"continue_from.checkpoint {update} of {job} cannot be used: {error}",
        ) from error
    start = continued(checkpoint, original, spec).to_bytes()
    registry.put_artifact(run_id, START, start)
    return Start(start, job, update)


def _read(registry: Registry, run_id: str, job: str, update: int) -> tuple[bytes, MetaTrainingSpec]:
    """The checkpoint, and the spec of the job that left it."""
    try:
        order = json.loads(registry.get_artifact(run_id, "job.json"))
        data = find_checkpoint(registry, run_id, update)
    except (ArtifactNotFound, RunNotFound) as error:
        raise FieldProblem(
            "continue_from.checkpoint", f"continue_from.checkpoint {update} of {job} is gone"
        ) from error
    return data, MetaTrainingSpec.model_validate(order["spec"])


def find_checkpoint(registry: Registry, run_id: str, update: int) -> bytes:
    """The checkpoint that a run keeps of this update: one of its newest, or that of its best Θ.

    Raises:
        ArtifactNotFound: it keeps none.
    """
    try:
        return registry.get_artifact(run_id, f"{CHECKPOINT_FOLDER}/{update:08d}.safetensors")
    except ArtifactNotFound:
        best = registry.get_artifact(run_id, BEST_CHECKPOINT)
        if read_update(best) != update:
            raise
        return best


def continued(
    checkpoint: Checkpoint, original: MetaTrainingSpec, spec: MetaTrainingSpec
) -> Checkpoint:
    """A checkpoint of one job as one of another: Θ, its mean and the moments, before an episode
    that has not begun.

    The rest of an episode that was under way is left out: its states belong to the other spec. The
    best Θ so far is taken over where both jobs validate alike; its update then means the same in
    both.

    Raises:
        FieldProblem: naming the field to blame.
    """
    if checkpoint.spec_sha256 != digest_spec(original):
        raise FieldProblem(
            "continue_from.checkpoint",
            "continue_from.checkpoint belongs to a job with another spec",
        )
    n_episodes = original.timeline.begun(checkpoint.update)
    check_continuation(spec, original, n_episodes)
    meta = dict(checkpoint.meta_optimizer)
    if not spec.meta_optimizer.averaging:
        meta["mean"] = meta["theta"].clone()
    update, comparable = spec.timeline.updates_before(n_episodes), validate_alike(original, spec)
    return Checkpoint(
        update=update,
        spec_sha256=digest_spec(spec),
        meta_optimizer=meta,
        best_theta=checkpoint.best_theta if comparable else meta["mean"].clone(),
        best_update=checkpoint.best_update if comparable else update,
        best_loss=checkpoint.best_loss if comparable else math.inf,
        initial_loss=None,
        seconds=0.0,
    )


def validate_alike(one: MetaTrainingSpec, other: MetaTrainingSpec) -> bool:
    """Whether validation losses of two jobs are of the same tasks, starts, minibatches and
    steps."""

    def decisive(spec: MetaTrainingSpec) -> Any:
        return (
            spec.model_dump(include=_DECIDE_VALIDATION),
            spec.validation.n_learners,
            spec.validation_horizons,
        )

    return bool(decisive(one) == decisive(other))

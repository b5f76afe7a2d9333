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
from typing import Any, Final, NamedTuple

from meta_trainer.runs.run_recorder import CHECKPOINT_FOLDER
from meta_trainer.runs.translation import translate_checkpoint
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.specs.problems import FieldProblem
from meta_trainer.training.checkpoints import (
    BEST_CHECKPOINT,
    Checkpoint,
    CheckpointError,
    read_update,
)
from meta_trainer.training.units import make_rule
from registry import ArtifactNotFound, Registry, RunNotFound

START: Final = "start/checkpoint.safetensors"
"""Artifact of a run: what a job with `continue_from` begins with, as a checkpoint of its own."""


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
        return {**self.event_data, "sha256": hashlib.sha256(self.checkpoint).hexdigest()}

    @property
    def event_data(self) -> dict[str, Any]:
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
    job = spec.continue_from.job
    update = spec.continue_from.checkpoint
    if not isinstance(update, int):
        raise FieldProblem(
            "continue_from.checkpoint",
            f"continue_from.checkpoint must have been replaced by a number, got {update!r}",
        )
    try:
        return Start(registry.get_artifact(run_id, START), job, update)
    except ArtifactNotFound:
        pass  # this is the first attempt

    if original_run_id is None:
        raise FieldProblem(
            "continue_from.job", f"continue_from.job {job} was deleted before this job began"
        )
    data, original_spec = _read(registry, original_run_id, job, update)
    try:
        checkpoint = Checkpoint.from_bytes(data, make_rule(original_spec.rule))
    except CheckpointError as error:
        raise FieldProblem(
            "continue_from.checkpoint",
            f"continue_from.checkpoint {update} of {job} cannot be used: {error}",
        ) from error
    start = translate_checkpoint(checkpoint, original_spec, spec).to_bytes()
    registry.put_artifact(run_id, START, start)
    return Start(start, job, update)


def _read(registry: Registry, run_id: str, job: str, update: int) -> tuple[bytes, MetaTrainingSpec]:
    """The checkpoint, and the spec of the job that left it."""
    try:
        job_json = json.loads(registry.get_artifact(run_id, "job.json"))
        data = find_checkpoint(registry, run_id, update)
    except (ArtifactNotFound, RunNotFound) as error:
        raise FieldProblem(
            "continue_from.checkpoint", f"continue_from.checkpoint {update} of {job} is gone"
        ) from error
    return data, MetaTrainingSpec.model_validate(job_json["spec"])


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

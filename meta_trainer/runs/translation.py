"""A checkpoint of one meta-training as a checkpoint of another, which goes on from there."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

from meta_trainer.specs import MetaTrainingSpec, check_continuation
from meta_trainer.specs.problems import FieldProblem
from meta_trainer.training.checkpoints import Checkpoint, digest_spec

_FIELDS_OF_VALIDATION: Final = {"rule", "task", "tasks", "unroll", "seed"}


def translate_checkpoint(
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
    update = spec.timeline.updates_before(n_episodes)

    meta_optimizer = dict(checkpoint.meta_optimizer)
    if not spec.meta_optimizer.averaging:
        meta_optimizer["mean"] = meta_optimizer["theta"].clone()

    translated = Checkpoint(
        update=update,
        spec_sha256=digest_spec(spec),
        meta_optimizer=meta_optimizer,
        best_theta=meta_optimizer["mean"].clone(),
        best_update=update,
        best_loss=math.inf,
        initial_loss=None,
        seconds=0.0,
        learner_norms=checkpoint.learner_norms,
    )
    if not validate_alike(original, spec):
        return translated
    return replace(
        translated,
        best_theta=checkpoint.best_theta,
        best_update=checkpoint.best_update,
        best_loss=checkpoint.best_loss,
    )


def validate_alike(first: MetaTrainingSpec, second: MetaTrainingSpec) -> bool:
    """Whether validation losses of two jobs are of the same tasks, starts, minibatches and
    steps."""
    return bool(_describe_validation(first) == _describe_validation(second))


def _describe_validation(spec: MetaTrainingSpec) -> Any:
    """All that a validation loss depends on besides Θ."""
    return (
        spec.model_dump(include=_FIELDS_OF_VALIDATION),
        spec.validation.n_learners,
        spec.validation_horizons,
    )

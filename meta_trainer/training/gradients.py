"""The meta-gradient of an update, from what the chunks' periods gave.

It is always added in the same order, so that neither runners nor workers show in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.learner_clip import LearnerClip
from meta_trainer.training.units import PeriodOutcome, compute_chunk_gradient


class UpdateGradient(NamedTuple):
    """What an update moves Θ by."""

    gradient: Tensor
    """The mean over the learners, shape (n_theta,)."""
    n_clipped: int | None
    """Learners whose gradient was shortened; None where none would be."""


class GradientAdder:
    """Adds the gradients of chunks, or of learners where the spec clips them (`clip_learners`)."""

    def __init__(self, spec: MetaTrainingSpec, moved: Tensor | None = None) -> None:
        """
        Args:
            moved: see `meta_trainer.training.meta_optimizer.find_moved`.
        """
        self._spec = spec
        self._moved = moved
        factor = spec.meta_optimizer.clip_learners
        self._clip = None if factor is None else LearnerClip(factor, spec.n_learners)

    def add(self, episode: int, outcomes: Sequence[PeriodOutcome]) -> UpdateGradient:
        """The gradient of an update, from the outcomes of all chunks in their order."""
        gradients = [
            self._keep_moved(compute_chunk_gradient(self._spec, episode, chunk, outcome))
            for chunk, outcome in enumerate(outcomes)
        ]
        n_clipped = None
        if self._clip is not None:
            clipped = self._clip.clip(torch.cat(gradients))
            gradients = list(clipped.gradients)
            n_clipped = clipped.n_clipped

        total = torch.zeros_like(gradients[0])
        for gradient in gradients:
            total += gradient
        return UpdateGradient(total / self._spec.n_learners, n_clipped)

    def _keep_moved(self, gradient: Tensor) -> Tensor:
        """0 where Θ is not moved, whatever the derivative is there."""
        return gradient if self._moved is None else gradient.where(self._moved, 0.0)

    def state(self) -> Tensor | None:
        """`LearnerClip.state`, for a checkpoint; None without a clip."""
        return None if self._clip is None else self._clip.state()

    def load(self, norms: Tensor | None) -> None:
        """Go on from what `state` gave; from None, as at the start of a job."""
        if self._clip is not None and norms is not None:
            self._clip.load(norms)

"""A bound on what one learner can do to an update of Θ.

The derivative of a long episode can be astronomic where a learner is about to diverge: norms of
10⁸ to 10¹⁸ times the usual one occur. Clipping the sum of all learners cannot help, because such a
learner owns its direction. So each learner's meta-gradient g_i is shortened by itself,

    g_i ← g_i min(1, c m / ‖g_i‖)

where m is the median of the norms of the last learners, with those of this update. Medians ignore
what a minority of learners does; c m follows the length of gradients as training goes on.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

import torch
from torch import Tensor

from meta_trainer.training.units import one_thread

N_NORMS: Final = 400
"""Norms that are remembered; of an update with more learners, as many as it has."""


class ClippedGradients(NamedTuple):
    """The meta-gradients of an update."""

    gradients: Tensor
    """Shape (n_learners, n_theta)."""
    n_clipped: int
    """Learners whose gradient was shortened."""


class LearnerClip:
    """Remembers the norms of learners' gradients; they are part of every checkpoint."""

    def __init__(self, factor: float, n_learners: int) -> None:
        """
        Args:
            factor: c.
            n_learners: of an update.
        """
        self._factor = factor
        self._norms: deque[float] = deque(maxlen=max(N_NORMS, n_learners))

    def clip(
        self,
        gradients: Tensor,  # shape: (n_learners, n_theta)
    ) -> ClippedGradients:
        """Note the norms of these gradients, in their order, and shorten those that are too long.

        One that is all zeros, as of a learner that diverged, says nothing about norms.
        """
        with one_thread():
            norms = torch.linalg.vector_norm(gradients, dim=1, dtype=torch.float64)
        self._norms.extend(norms[norms > 0].tolist())
        if not self._norms:
            return ClippedGradients(gradients, 0)
        limit = self._factor * self.median
        is_long = norms > limit
        factors = torch.where(is_long, limit / norms, 1.0)
        clipped = (gradients.double() * factors[:, None]).to(gradients.dtype)
        return ClippedGradients(clipped, int(is_long.sum()))

    @property
    def median(self) -> float:
        """Of the norms that are remembered: the lower one of two middle ones."""
        return float(torch.tensor(self._norms, dtype=torch.float64).median())

    def state(self) -> Tensor:
        """The norms, the latest last, for a checkpoint; shape (n,), float64."""
        return torch.tensor(self._norms, dtype=torch.float64)

    def load(self, norms: Tensor) -> None:
        """Go on from what `state` gave."""
        self._norms.clear()
        self._norms.extend(norms.tolist())

"""The meta-loss: what a period's scored losses are worth, one number for each learner.

    F = 1/S Σ_t a_t φ(L_t / b),    φ the identity or the logarithm

with weights a_t on the steps and a scale b of each learner's losses. With the meta-loss `last`, F =
a_S L_S / b.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from meta_trainer.specs import MetaLoss, Score

SMALLEST_LOSS: Final = 1e-6
"""Losses below it count as this in the logarithmic meta-loss, whose derivative would not be
bounded."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Objective:
    """How a period of S steps of L learners is scored."""

    score: Score = "next"
    """Which losses are scored; see `meta_trainer.estimators.tbptt`."""
    meta_loss: MetaLoss = "mean"
    weights: Tensor | None = None
    """a, how much each scored step counts, shape (S,); None: all the same, 1."""
    scale: Tensor | None = None
    """b, what each learner's losses are divided by, shape (L,); None: 1. Without effect on the
    logarithm."""

    def scored(self, losses: Tensor) -> Tensor:
        """Those of all losses (S, L) that count: all, or the last alone, (1, L)."""
        return losses[-1:] if self.meta_loss == "last" else losses

    def values(self, losses: Tensor) -> Tensor:
        """F of all losses (S, L); shape (L,)."""
        worth = losses.clamp_min(SMALLEST_LOSS).log() if self.meta_loss == "log" else losses
        if self.weights is not None:
            worth = worth * self.weights.to(worth)[:, None]
        mean = self.scored(worth).mean(0)
        return mean if self._divisor is None else mean / self._divisor

    def derivatives(self, losses: Tensor) -> Tensor:
        """∂F/∂L_t of all losses (S, L); shape (S, L)."""
        n_steps, n_learners = losses.shape
        if self.meta_loss == "log":
            derivatives = 1 / (losses.clamp_min(SMALLEST_LOSS) * n_steps)
        elif self.meta_loss == "last":
            derivatives = torch.zeros_like(losses)
            derivatives[-1] = 1.0
        else:
            derivatives = losses.new_full((n_steps, n_learners), 1 / n_steps)
        if self.weights is not None:
            derivatives = derivatives * self.weights.to(derivatives)[:, None]
        return derivatives if self._divisor is None else derivatives / self._divisor

    @property
    def _divisor(self) -> Tensor | None:
        """b, shape (L,), where it has an effect."""
        return None if self.meta_loss == "log" else self.scale

    def segment(self, first: int, last: int, n_steps: int) -> Objective:
        """That of the steps `first` … `last` − 1 of a period of `n_steps`: the mean over its
        segments is the whole."""
        weights = torch.ones(n_steps) if self.weights is None else self.weights
        if self.meta_loss == "last":
            weights = torch.cat([torch.zeros_like(weights[:-1]), weights[-1:] * n_steps])
        meta_loss: MetaLoss = "log" if self.meta_loss == "log" else "mean"
        return replace(self, weights=weights[first:last], meta_loss=meta_loss)

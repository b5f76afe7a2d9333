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
        return mean if self.scale is None or self.meta_loss == "log" else mean / self.scale

    def ascent(self, losses: Tensor, gradients: Tensor) -> Tensor:
        """From ∇L (S, L, p) to the same of S F, or of F where the last step alone counts: (S, L,
        p)."""
        if self.meta_loss == "log":
            gradients = gradients / losses.clamp_min(SMALLEST_LOSS)[:, :, None]
        elif self.meta_loss == "last":
            gradients = torch.cat([torch.zeros_like(gradients[:-1]), gradients[-1:]])
        if self.weights is not None:
            gradients = gradients * self.weights.to(gradients)[:, None, None]
        return (
            gradients
            if self.scale is None or self.meta_loss == "log"
            else gradients / self.scale[:, None]
        )

    def segment(self, first: int, last: int, n_steps: int) -> Objective:
        """That of the steps `first` … `last` − 1 of a period of `n_steps`: the mean over its
        segments is the whole."""
        weights = torch.ones(n_steps) if self.weights is None else self.weights
        if self.meta_loss == "last":
            weights = torch.cat([torch.zeros_like(weights[:-1]), weights[-1:] * n_steps])
        return replace(
            self,
            weights=weights[first:last],
            meta_loss="log" if self.meta_loss == "log" else "mean",
        )

"""The directions ε ~ N(0, I) in which Θ is perturbed: drawn by name, so that they never travel.

A worker draws them to run its learners, and whoever adds the gradient up draws the very same ones
again. Each belongs to a part of the job's estimator, an episode, a learner and a pair; where they
change from period to period, to a period too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from hyperadam.rules import Rule
from torch import Tensor

from meta_trainer.seeds import make_generator


@dataclass(frozen=True, kw_only=True)
class Directions:
    """The directions of one learner in one episode, for one part of the estimator."""

    seed: int
    part: int
    """The number of the estimator in a mix; 0 for one alone."""
    episode: int
    learner: int
    n_theta: int
    where: Tensor | None = field(default=None, compare=False)
    """1 where Θ is perturbed, 0 elsewhere; shape (n_theta,). None: everywhere."""

    def of(self, pair: int, period: int | None = None) -> Tensor:
        """ε of one pair for a whole episode, or for one of its periods; shape (n_theta,),
        float32."""
        indices = (self.part, self.episode, self.learner, pair)
        if period is None:
            g = make_generator(self.seed, "training/perturbation", *indices)
        else:
            g = make_generator(self.seed, "training/period-perturbation", *indices, period)
        epsilon = torch.randn(self.n_theta, generator=g)
        return epsilon if self.where is None else epsilon * self.where

    def accumulated(self, pair: int, n_periods: int) -> Tensor:
        """Σ ε of one pair over the first `n_periods` periods; shape (n_theta,), float32."""
        total = torch.zeros(self.n_theta)
        for period in range(n_periods):
            total += self.of(pair, period)
        return total


def coordinates_of(rule: Rule[Any], tensors: Collection[str]) -> Tensor:
    """1 in the tensors of these names, 0 in the others; shape (n_theta,), float32."""
    return rule.pack(
        {
            name: torch.full(shape, float(name in tensors))
            for name, shape in rule.theta_shapes.items()
        }
    )

"""When a learner counts as diverged, and what it says from then on."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.episodes import LARGEST_GRADIENT, measure_learners

LOSSES = torch.tensor([1.0, 1.0, 1.0, math.nan, 1.0], dtype=torch.float64)
LARGEST = torch.tensor([1.0, LARGEST_GRADIENT / 2, LARGEST_GRADIENT, 1.0, 1.0], dtype=torch.float64)


class Fixed(Optimizee):
    """Five learners of two coordinates, whose losses and gradients do not depend on w."""

    def start(self) -> Tensor:
        return torch.zeros(5, 2, dtype=torch.float64)

    def losses(self, w: Tensor, step: int) -> Tensor:
        return LOSSES

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        return LOSSES, torch.stack([0 * LARGEST, -LARGEST], dim=1)


def test_a_gradient_at_the_limit_and_a_loss_that_is_no_number_diverge() -> None:
    before = torch.tensor([False, False, False, False, True])
    measured = measure_learners(Fixed(), Fixed().start(), 0, before)
    assert measured.diverged.tolist() == [False, False, True, True, True]
    assert measured.gradient[:, 1].tolist() == [-1.0, -LARGEST_GRADIENT / 2, 0.0, 0.0, 0.0]

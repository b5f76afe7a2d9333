"""Weights of steps in the meta-loss."""

from __future__ import annotations

import pytest
import torch

from meta_trainer.specs import (
    UnrollSpec,
)
from meta_trainer.training.objectives import weigh_steps


def test_late_steps_count_more_and_the_mean_weight_stays_one() -> None:
    for late_weight in (0.0, 1.0, 3.0):
        unroll = UnrollSpec(horizon=1000, period=100, late_weight=late_weight)
        weights = torch.cat([weigh_steps(unroll, first) for first in range(0, 1000, 100)])
        assert float(weights.mean()) == pytest.approx(1, abs=2e-3 * (late_weight + 1))
        assert float(weights[-1]) == pytest.approx(late_weight + 1)
        assert bool((weights.diff() >= 0).all())

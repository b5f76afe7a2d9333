"""Learned optimizers as `torch.optim.Optimizer`: what users run, on the very rules that are meta-trained."""

from __future__ import annotations

from hyperadam.optimizers.hyperadam import HyperAdam
from hyperadam.optimizers.learned import LearnedOptimizer

__all__ = ["HyperAdam", "LearnedOptimizer"]

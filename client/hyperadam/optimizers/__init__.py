"""Learned optimizers as `torch.optim.Optimizer`: what users run, on the very rules that are
meta-trained."""

from __future__ import annotations

from hyperadam.optimizers.dm import DMOptimizer
from hyperadam.optimizers.hyperadam import HyperAdam
from hyperadam.optimizers.insight import TensorInsight
from hyperadam.optimizers.learned import LearnedOptimizer
from hyperadam.optimizers.rnnprop import RNNprop

__all__ = ["DMOptimizer", "HyperAdam", "LearnedOptimizer", "RNNprop", "TensorInsight"]

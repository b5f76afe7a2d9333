"""Measures on the test split: the loss, and how often the right class is among the most likely."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from meta_trainer.datasets import Dataset
from meta_trainer.learners import Classifier

MEASURES: Final = ("loss", "top1", "top2")

_BATCH_SIZE: Final = 500


def measure(learner: Classifier, w: Tensor, test: Dataset) -> Tensor:
    """Every image once, without the learner's randomness; batch norm goes by batches of 500.

    Args:
        w: shape (L, p).

    Returns:
        Mean loss, top-1 and top-2 accuracy in [0, 1]; shape (L, 3), float64, NaN for learners whose
        loss is not finite.
    """
    totals = torch.zeros(len(w), len(MEASURES), dtype=torch.float64)
    for indices in torch.arange(len(test)).split(_BATCH_SIZE):
        inputs, targets = test.minibatch(indices.expand(len(w), -1), w.dtype)
        with torch.no_grad():
            logits = learner.logits(w, inputs)
        totals += _sums(logits, targets)
    means = totals / len(test)
    return torch.where(means[:, :1].isfinite(), means, torch.nan)


def _sums(logits: Tensor, targets: Tensor) -> Tensor:
    """The measures summed over images; shape (L, 3) for logits (L, n, classes) and targets (L,
    n)."""
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(
        targets.shape
    )
    rank = (logits > logits.gather(-1, targets[..., None])).sum(-1)
    return torch.stack(
        [losses.double().sum(1), (rank < 1).double().sum(1), (rank < 2).double().sum(1)], dim=1
    )

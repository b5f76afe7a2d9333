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


def measure_on_test(learner: Classifier, w: Tensor, test: Dataset) -> Tensor:
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
        totals += _sum_measures(logits, targets)

    means = totals / len(test)
    has_loss = means[:, :1].isfinite()
    return torch.where(has_loss, means, torch.nan)


def _sum_measures(
    logits: Tensor,  # shape: (L, n, classes)
    targets: Tensor,  # shape: (L, n)
) -> Tensor:
    """The measures summed over images; shape (L, 3)."""
    flat_losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    losses = flat_losses.view(targets.shape)
    of_target = logits.gather(-1, targets[..., None])
    rank = (logits > of_target).sum(-1)
    measures = [losses, rank < 1, rank < 2]
    return torch.stack([measure.double().sum(1) for measure in measures], dim=1)

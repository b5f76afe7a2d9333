"""A contrastive pair: two encoders, and InfoNCE between what they make of two views, as in CLIP
(Radford et al., 2021)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from meta_trainer.datasets.views import N_FEATURES
from meta_trainer.learners.field.perceptrons import make_mlp


class ContrastivePair(nn.Module):
    """Encoders 64 → 64 → 16 with GELU, and the logarithm of the inverse temperature, a parameter of
    shape (), which begins at log 1/.07."""

    def __init__(self) -> None:
        super().__init__()
        self.first = make_mlp((N_FEATURES, 64, 16), nn.GELU)
        self.second = make_mlp((N_FEATURES, 64, 16), nn.GELU)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, views: Tensor) -> Tensor:
        """Logits (batch, batch) of each first view for each second one of views (batch, 2, 64)."""
        first, second = views.unbind(1)
        codes = F.normalize(self.first(first), dim=-1)
        others = F.normalize(self.second(second), dim=-1)
        return self.logit_scale.exp() * codes @ others.T


def info_nce(logits: Tensor, pairs: Tensor) -> Tensor:
    """Mean over both directions of the cross-entropy of who belongs to whom."""
    of_first = F.cross_entropy(logits, pairs)
    of_second = F.cross_entropy(logits.T, pairs)
    return (of_first + of_second) / 2

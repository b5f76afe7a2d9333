"""A soft mixture of experts whose weights lie in stacks (experts, in, out), as batched products
want them."""

from __future__ import annotations

import math
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from meta_trainer.datasets.tables import N_CLASSES, N_FEATURES

N_EXPERTS: Final = 8
WIDTH: Final = 32
HIDDEN: Final = 64


class Experts(nn.Module):
    """A linear layer, eight experts of 32 → 64 → 32 with ReLU beside it, mixed by a softmax, and a
    linear head. Stacks are N(0, 1/in)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(N_FEATURES, WIDTH)
        self.router = nn.Linear(WIDTH, N_EXPERTS)
        self.expand = nn.Parameter(_make_stack(WIDTH, HIDDEN))
        self.contract = nn.Parameter(_make_stack(HIDDEN, WIDTH))
        self.head = nn.Linear(WIDTH, N_CLASSES)

    def forward(self, features: Tensor) -> Tensor:
        x = self.embed(features)
        shares = self.router(x).softmax(-1)
        hidden = F.relu(torch.einsum("bi,eio->beo", x, self.expand))
        answers = torch.einsum("beo,eoi->bei", hidden, self.contract)
        mixed = torch.einsum("be,bei->bi", shares, answers)
        logits: Tensor = self.head(x + mixed)
        return logits


def _make_stack(n_in: int, n_out: int) -> Tensor:
    return torch.randn(N_EXPERTS, n_in, n_out) / math.sqrt(n_in)

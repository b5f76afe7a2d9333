"""A recommender: embeddings of users and items, most of which have no gradient at most steps."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from meta_trainer.datasets.ratings import N_EACH
from meta_trainer.learners.field.perceptrons import make_mlp

WIDTH: Final = 16


class Recommender(nn.Module):
    """Neural collaborative filtering (He et al., 2017): both embeddings, N(0, 1), one after the
    other through a perceptron of 32 with ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.users = nn.Embedding(N_EACH, WIDTH)
        self.items = nn.Embedding(N_EACH, WIDTH)
        self.mlp = make_mlp((2 * WIDTH, 32, 1), nn.ReLU)

    def forward(self, pairs: Tensor) -> Tensor:
        """Ratings (batch,) of pairs (batch, 2)."""
        users, items = pairs.unbind(-1)
        both = torch.cat([self.users(users), self.items(items)], dim=-1)
        ratings: Tensor = self.mlp(both).squeeze(-1)
        return ratings

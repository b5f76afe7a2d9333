"""Ratings of items by users, made up from seeds: most of both occur hardly ever.

    P(user i) ∝ P(item i) ∝ 1 / i,   i = 1 … 1,000
    rating = 3 + ⟨a_user, b_item⟩ / 2 + c_item / 2 + ε / 5,      a, b ~ N(0, I₄),  c, ε ~ N(0, 1)

a, b and c are drawn once and for all.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from torch import Tensor

from meta_trainer.datasets.definitions import digest_definition

N_USERS: Final = 1000
N_ITEMS: Final = 1000
_N_TASTES: Final = 4
_DEFINITION: Final = "3 + a b / 2 + c / 2 + e / 5, 1 / i"


class _Tastes(NamedTuple):
    users: Tensor
    """a, shape (1000, 4)."""
    items: Tensor
    """b, shape (1000, 4)."""
    favour: Tensor
    """c, shape (1000,)."""


@functools.cache
def _make_tastes() -> _Tastes:
    generator = torch.Generator().manual_seed(0)
    return _Tastes(
        users=torch.randn(N_USERS, _N_TASTES, generator=generator),
        items=torch.randn(N_ITEMS, _N_TASTES, generator=generator),
        favour=torch.randn(N_ITEMS, generator=generator),
    )


@dataclass(frozen=True)
class Ratings:
    """New ratings at every draw."""

    @property
    def name(self) -> str:
        return "ratings"

    @property
    def fingerprint(self) -> str:
        return digest_definition(_DEFINITION, *_make_tastes())

    def draw(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Tensor, Tensor]:
        """Users and items (L, batch, 2), int64, and ratings (L, batch); row i from generator i."""
        weights = 1.0 / torch.arange(1, N_USERS + 1)
        pairs = torch.stack([_draw_pairs(weights, batch_size, g) for g in generators])
        noise = torch.stack([torch.randn(batch_size, generator=g) for g in generators])

        tastes = _make_tastes()
        users, items = pairs.unbind(-1)
        agreement = (tastes.users[users] * tastes.items[items]).sum(-1)
        ratings = 3 + agreement / 2 + tastes.favour[items] / 2 + noise / 5
        return pairs, ratings.to(dtype)


def _draw_pairs(weights: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
    """Shape (batch, 2)."""
    numbers = torch.multinomial(weights, 2 * batch_size, replacement=True, generator=generator)
    return numbers.view(batch_size, 2)

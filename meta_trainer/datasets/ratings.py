"""Ratings of items by users, made up from seeds: most of both occur hardly ever.

    P(user i) ∝ P(item i) ∝ 1 / i,   i = 1 … n
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

N_EACH: Final = 1000
"""Users, and items."""
_N_TASTES: Final = 4
_DEFINITION: Final = "3 + a b / 2 + c / 2 + e / 5, 1 / i"


class _Tastes(NamedTuple):
    users: Tensor
    """a, shape (n, 4)."""
    items: Tensor
    """b, shape (n, 4)."""
    favour: Tensor
    """c, shape (n,)."""


@functools.cache
def _make_tastes(n_each: int, seed: int) -> _Tastes:
    generator = torch.Generator().manual_seed(seed)
    return _Tastes(
        users=torch.randn(n_each, _N_TASTES, generator=generator),
        items=torch.randn(n_each, _N_TASTES, generator=generator),
        favour=torch.randn(n_each, generator=generator),
    )


@dataclass(frozen=True)
class Ratings:
    """New ratings at every draw."""

    n_each: int = N_EACH
    """Users, and items."""
    seed: int = 0
    """Of the tastes."""

    @property
    def name(self) -> str:
        is_usual = self == Ratings()
        return "ratings" if is_usual else f"ratings-{self.n_each}-{self.seed}"

    @property
    def fingerprint(self) -> str:
        return digest_definition(f"{_DEFINITION} n {self.n_each} seed {self.seed}")

    def draw(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Tensor, Tensor]:
        """Users and items (L, batch, 2), int64, and ratings (L, batch); row i from generator i."""
        weights = 1.0 / torch.arange(1, self.n_each + 1)
        pairs = torch.stack([_draw_pairs(weights, batch_size, g) for g in generators])
        noise = torch.stack([torch.randn(batch_size, generator=g) for g in generators])

        tastes = _make_tastes(self.n_each, self.seed)
        users, items = pairs.unbind(-1)
        agreement = (tastes.users[users] * tastes.items[items]).sum(-1)
        ratings = 3 + agreement / 2 + tastes.favour[items] / 2 + noise / 5
        return pairs, ratings.to(dtype)


def _draw_pairs(weights: Tensor, batch_size: int, generator: torch.Generator) -> Tensor:
    """Shape (batch, 2)."""
    numbers = torch.multinomial(weights, 2 * batch_size, replacement=True, generator=generator)
    return numbers.view(batch_size, 2)

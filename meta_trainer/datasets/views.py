"""Two views of one thing, made up from seeds: what contrastive learning brings together.

    first  = tanh(z A) + ε / 5,   second = tanh(z B) + η / 5,      z ~ N(0, I₁₆),  ε, η ~ N(0, I₆₄)

A and B, (16, 64), are normal with variance 1/16, and drawn once and for all.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from meta_trainer.datasets.definitions import digest_definition

N_FEATURES: Final = 64
"""Of each view."""
_N_FACTORS: Final = 16
_DEFINITION: Final = "tanh(z A) + e / 5, tanh(z B) + n / 5"


@functools.cache
def _make_mixes() -> Tensor:
    """A and B; shape (2, 16, 64)."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, _N_FACTORS, N_FEATURES, generator=generator) / _N_FACTORS**0.5


@dataclass(frozen=True)
class PairedViews:
    """New pairs at every draw."""

    @property
    def name(self) -> str:
        return "paired-views"

    @property
    def fingerprint(self) -> str:
        return digest_definition(_DEFINITION)

    def draw(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Tensor, Tensor]:
        """Views (L, batch, 2, 64), and the number of each pair in its minibatch (L, batch), int64;
        row i from generator i."""
        n_draws = _N_FACTORS + 2 * N_FEATURES
        drawn = torch.stack([torch.randn(batch_size, n_draws, generator=g) for g in generators])
        factors, noise = drawn.split([_N_FACTORS, 2 * N_FEATURES], dim=-1)

        means = torch.einsum("lbz,vzf->lbvf", factors, _make_mixes())
        views = torch.tanh(means) + noise.view_as(means) / 5
        pairs = torch.arange(batch_size).expand(len(generators), -1)
        return views.to(dtype), pairs

"""Rows of a table, made up from seeds: 32 correlated features, and a class or a number that depends
on them.

    x = (z A + ½ ε) / s,   z ~ N(0, I₈),  ε ~ N(0, I₃₂)        s: each feature has variance 1
    f(x) = tanh(x B) C                                        B (32, 16), C (16, 10), drawn once
    class  = argmax of f(x)
    number = mean + std · (f(x)₁ / 4 + η / 10),   η ~ N(0, 1)

A, B and C are normal; those of B have variance 1/8.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import torch
from torch import Tensor

from meta_trainer.datasets.definitions import digest_definition

N_FEATURES: Final = 32
N_CLASSES: Final = 10
_N_FACTORS: Final = 8
_N_TEACHERS: Final = 16

_DEFINITION: Final = "x = (z A + e / 2) / s; f = tanh(x B) C; argmax f; mean + std (f_1 / 4 + n/10)"
"""Of which the fingerprint is made: it may never change."""


class _Table(NamedTuple):
    """What is drawn once and for all."""

    mix: Tensor
    """A / s, shape (8, 32)."""
    noise: Tensor
    """½ / s, shape (32,)."""
    first: Tensor
    """B, shape (32, 16)."""
    second: Tensor
    """C, shape (16, 10)."""


@functools.cache
def _make_table(seed: int) -> _Table:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(_N_FACTORS, N_FEATURES, generator=generator)
    first = torch.randn(N_FEATURES, _N_TEACHERS, generator=generator) / math.sqrt(_N_FACTORS)
    second = torch.randn(_N_TEACHERS, N_CLASSES, generator=generator)
    deviation = (mix.square().sum(0) + 0.25).sqrt()
    return _Table(mix / deviation, 0.5 / deviation, first, second)


@dataclass(frozen=True, kw_only=True)
class TableRows:
    """New rows at every draw."""

    target: Literal["class", "number"]
    mean: float = 0.0
    """Of numbers, about."""
    std: float = 1.0
    """Of numbers, about."""
    seed: int = 0
    """Of the table: what its features and targets have to do with each other."""

    @property
    def name(self) -> str:
        scale = f"-{self.mean:g}-{self.std:g}" if self.target == "number" else ""
        return f"table-{self.seed}-{self.target}{scale}"

    @property
    def fingerprint(self) -> str:
        definition = f"{_DEFINITION} {self.target} {self.mean!r} {self.std!r}"
        return digest_definition(f"{definition} seed {self.seed}")

    def draw(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Tensor, Tensor]:
        """Features (L, batch, 32) and classes (L, batch), int64, or numbers (L, batch, 1); row i
        from generator i."""
        n_draws = _N_FACTORS + N_FEATURES + 1
        drawn = torch.stack([torch.randn(batch_size, n_draws, generator=g) for g in generators])
        factors, noise, of_target = drawn.split([_N_FACTORS, N_FEATURES, 1], dim=-1)

        table = _make_table(self.seed)
        features = factors @ table.mix + noise * table.noise
        scores = torch.tanh(features @ table.first) @ table.second
        if self.target == "class":
            return features.to(dtype), scores.argmax(-1)

        unit = scores[..., :1] / 4 + of_target / 10
        return features.to(dtype), (self.mean + self.std * unit).to(dtype)

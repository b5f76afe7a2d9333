"""Functions to fit whose inputs and targets have odd scales, made up from seeds.

    x = s ⊙ z,    y = shift + unit · (aᵀ tanh(B z) + ε)
    z ~ N(0, 1)⁸,    ε ~ N(0, .1²),    s ~ 10^U(−2, 2) for each input
    shift ~ U(−50, 50),    unit ~ 10^U(−2, 2),    a ~ N(0, 1/16)¹⁶,    B ~ N(0, 2/8)¹⁶ˣ⁸

All but z and ε are drawn once for each variant. The least loss is that of the noise, .01 · unit².
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from torch import Tensor

from meta_trainer.datasets.definitions import digest_definition

N_FEATURES: Final = 8
_N_HIDDEN: Final = 16
_NOISE_STD: Final = 0.1

_DEFINITION: Final = (
    "x = s z, y = shift + unit (a tanh(B z) + noise), z ~ N(0, 1) of 8, noise ~ N(0, .1^2), "
    "s ~ 10^U(-2, 2), shift ~ U(-50, 50), unit ~ 10^U(-2, 2), a ~ N(0, 1/16), B ~ N(0, 2/8)"
)
"""What the fingerprint is made of: it may never change."""


class _Function(NamedTuple):
    """What is drawn once for a variant; float64."""

    input_scales: Tensor
    shift: float
    unit: float
    outer: Tensor
    inner: Tensor


@functools.lru_cache(maxsize=64)
def _draw_function(variant: int) -> _Function:
    generator = torch.Generator().manual_seed(variant)
    uniform = torch.rand(N_FEATURES + 2, generator=generator, dtype=torch.float64)
    powers = 10 ** (4 * uniform - 2)
    normal = torch.randn(_N_HIDDEN, N_FEATURES + 1, generator=generator, dtype=torch.float64)
    return _Function(
        input_scales=powers[:N_FEATURES],
        shift=float(100 * uniform[-2] - 50),
        unit=float(powers[-1]),
        outer=normal[:, -1] / _N_HIDDEN**0.5,
        inner=normal[:, :-1] * (2 / N_FEATURES) ** 0.5,
    )


@dataclass(frozen=True)
class Regression:
    """New examples at every draw."""

    variant: int = 0

    @property
    def name(self) -> str:
        return f"regression-{self.variant}"

    @property
    def fingerprint(self) -> str:
        """sha256 of the definition; there are no bytes to digest."""
        return digest_definition(f"{_DEFINITION} variant {self.variant}")

    def draw(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Tensor, Tensor]:
        """Inputs (L, batch, 8) and targets (L, batch); row i from generator i."""
        function = _draw_function(self.variant)
        shape = (batch_size, N_FEATURES + 1)
        normal = torch.stack([torch.randn(shape, generator=g) for g in generators]).double()
        z = normal[..., :-1]
        noise = _NOISE_STD * normal[..., -1]

        values = torch.tanh(z @ function.inner.T) @ function.outer
        targets = function.shift + function.unit * (values + noise)
        return (z * function.input_scales).to(dtype), targets.to(dtype)

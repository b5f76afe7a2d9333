"""Sequences to predict, made up from seeds: the data of the paper's LSTM task.

    f(x) = A sin(ω x + φ),    A ~ U(0, 10), ω ~ U(0, π/2), φ ~ U(0, 2π)

The inputs are f(0) … f(9) with noise, the target is f(10) without.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from meta_trainer.datasets.definitions import digest_definition

LENGTH: Final = 10
"""Numbers of an input."""

_DEFINITION: Final = (
    "Sequences to predict, made up from seeds: the data of the paper's LSTM task.\n"
    "\n"
    "    f(x) = A sin(ω x + φ),    A ~ U(0, 10), ω ~ U(0, π/2), φ ~ U(0, 2π)\n"
    "\n"
    "The inputs are f(0) … f(9) with noise, the target is f(10) without.\n"
)
"""The definition in words, of which the fingerprint is made: it may never change."""


@dataclass(frozen=True)
class SineSequences:
    """New sequences at every draw."""

    noise_std: float = 0.1

    @property
    def name(self) -> str:
        return f"sine-{self.noise_std:g}"

    @property
    def fingerprint(self) -> str:
        """sha256 of the definition; there are no bytes to digest."""
        return digest_definition(f"{_DEFINITION} noise {self.noise_std!r}")

    def draw(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Tensor, Tensor]:
        """Noisy values (L, batch, 10) and what follows them (L, batch); row i from generator i."""
        uniform = torch.stack([torch.rand(3, batch_size, generator=g) for g in generators])
        noise = torch.stack([torch.randn(batch_size, LENGTH, generator=g) for g in generators])

        upper = torch.tensor([10, math.pi / 2, 2 * math.pi], dtype=dtype)[:, None]
        amplitude, frequency, phase = (uniform.to(dtype) * upper)[..., None].unbind(1)
        times = torch.arange(LENGTH + 1, dtype=dtype)
        values = amplitude * torch.sin(frequency * times + phase)

        noisy = values[..., :LENGTH] + self.noise_std * noise.to(dtype)
        return noisy, values[..., LENGTH]

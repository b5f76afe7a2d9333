"""Sequences to predict, made up from seeds: the data of the paper's LSTM task.

    f(x) = A sin(ω x + φ),    A ~ U(0, 10), ω ~ U(0, π/2), φ ~ U(0, 2π)

The inputs are f(0) … f(9) with noise, the target is f(10) without.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

LENGTH: Final = 10


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
        return hashlib.sha256(f"{__doc__} noise {self.noise_std!r}".encode()).hexdigest()

    def draw(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Tensor, Tensor]:
        """Noisy values (L, batch, 10) and what follows them (L, batch); row i from generator i."""
        uniform = torch.stack([torch.rand(3, batch_size, generator=g) for g in generators]).to(
            dtype
        )
        noise = torch.stack([torch.randn(batch_size, LENGTH, generator=g) for g in generators]).to(
            dtype
        )
        upper = torch.tensor([10, math.pi / 2, 2 * math.pi], dtype=dtype)[:, None]
        amplitude, frequency, phase = (uniform * upper)[..., None].unbind(1)
        values = amplitude * torch.sin(frequency * torch.arange(LENGTH + 1, dtype=dtype) + phase)
        return values[..., :LENGTH] + self.noise_std * noise, values[..., LENGTH]

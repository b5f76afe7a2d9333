"""Points of the domain of a differential equation: t ~ U(0, 1), x ~ U(−1, 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from meta_trainer.datasets.definitions import digest_definition


@dataclass(frozen=True)
class CollocationPoints:
    """New points at every draw."""

    @property
    def name(self) -> str:
        return "collocation-points"

    @property
    def fingerprint(self) -> str:
        return digest_definition("t ~ U(0, 1), x ~ U(-1, 1)")

    def draw(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Tensor, Tensor]:
        """Points (t, x) (L, batch, 2), and what the residual shall be there, 0 (L, batch); row i
        from generator i."""
        uniform = torch.stack([torch.rand(batch_size, 2, generator=g) for g in generators])
        scale = torch.tensor([1.0, 2.0])
        points = uniform * scale - torch.tensor([0.0, 1.0])
        return points.to(dtype), torch.zeros(points.shape[:-1], dtype=dtype)

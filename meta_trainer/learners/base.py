"""The contract of a learner: L networks of one shape as one batch, each a flat vector of p coordinates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor


class Learner(ABC):
    """A network with its loss, batched over learners: row i of every argument belongs to learner i."""

    @property
    @abstractmethod
    def n_coordinates(self) -> int:
        """p, the length of one network's flat vector."""

    @abstractmethod
    def losses(self, w: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of each learner on its own minibatch.

        Args:
            w: shape (L, p).
            inputs: shape (L, batch, n_features).
            targets: shape (L, batch).

        Returns:
            Shape (L,).
        """

    def start(self, generators: Sequence[torch.Generator], std: float, dtype: torch.dtype) -> Tensor:
        """Every coordinate from N(0, std²), as in the paper; learner i from generator i; shape (L, p)."""
        draws = [torch.randn(self.n_coordinates, generator=g) for g in generators]
        return torch.stack(draws).to(dtype) * std

    def losses_and_gradients(self, w: Tensor, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Losses (L,) and their gradients with respect to w (L, p), both detached."""
        with torch.enable_grad():
            leaf = w.detach().requires_grad_()
            losses = self.losses(leaf, inputs, targets)
            (gradients,) = torch.autograd.grad(losses.sum(), leaf)
        return losses.detach(), gradients

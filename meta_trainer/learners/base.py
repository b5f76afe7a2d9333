"""The contract of a learner: L networks of one shape as one batch.

Each network is a flat vector of p coordinates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from meta_trainer.learners.initializations import draw_start

Shapes = Sequence[Sequence[int]]
"""Shapes of the parameters that lie one after the other in a flat vector."""


class LossExpansion(NamedTuple):
    """The losses of L learners around w, to second order; all detached.

    L(w + v) ≈ L + ⟨∇L, v⟩ + ½ ⟨v, H v⟩
    """

    losses: Tensor
    """Shape (L,)."""
    gradients: Tensor
    """∇L, shape (L, p)."""
    multiply: Callable[[Tensor], Tensor]
    """From v (L, p) to H v (L, p). Once: what it keeps for this is used up."""
    kept: Sequence[Tensor] = ()
    """What it keeps outside a graph of autograd, for those who count bytes."""


class Learner(ABC):
    """A network with its loss, batched over learners.

    Row i of every argument belongs to learner i.
    """

    initialization: str = "normal"
    """How it starts: `normal`, or by layer (`meta_trainer.learners.initializations`)."""

    @property
    @abstractmethod
    def n_coordinates(self) -> int:
        """p, the length of one network's flat vector."""

    @property
    @abstractmethod
    def shapes(self) -> Shapes:
        """Shapes of the network's parameters, as `torch.nn` has them, in the order of the flat
        vector (see `hyperadam.rates`)."""

    @abstractmethod
    def losses(
        self,
        w: Tensor,
        inputs: Tensor,
        targets: Tensor,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Mean loss of each learner on its own minibatch.

        Args:
            w: shape (L, p).
            inputs: shape (L, batch, n_features).
            targets: shape (L, batch).
            noise: what `noise` drew for this step; None: the network without its randomness.

        Returns:
            Shape (L,).
        """

    @property
    def is_separable(self) -> bool:
        """Whether the loss is a mean of `example_losses`: no randomness, and no example that acts
        on another's."""
        return False

    def example_losses(self, w: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each example, for the arguments of `losses`; only where `is_separable`.

        Returns:
            Shape (L, batch).
        """
        raise NotImplementedError(f"{type(self).__name__} is not separable")

    @property
    def is_random(self) -> bool:
        """Whether the network itself draws random numbers in training, as dropout does."""
        return False

    def noise(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        dtype: torch.dtype,
    ) -> Tensor:
        """The random numbers of one step, row i from generator i alone; only where `is_random`."""
        raise NotImplementedError(f"{type(self).__name__} is not random")

    def start(
        self,
        generators: Sequence[torch.Generator],
        std: float | Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        """Every coordinate from N(0, std²), as in the paper, or as `initialization` says; learner i
        from generator i.

        Args:
            std: of `normal`: one number, or one for each learner, shape (L,).

        Returns:
            Shape (L, p).
        """
        if self.initialization != "normal":
            return draw_start(self.initialization, self.shapes, generators, dtype)
        draws = [torch.randn(self.n_coordinates, generator=g) for g in generators]
        return scale_rows(torch.stack(draws).to(dtype), std)

    def losses_and_gradients(
        self,
        w: Tensor,
        inputs: Tensor,
        targets: Tensor,
        noise: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Losses (L,) and their gradients with respect to w (L, p), both detached."""
        with torch.enable_grad():
            leaf = w.detach().requires_grad_()
            losses = self.losses(leaf, inputs, targets, noise)
            (gradients,) = torch.autograd.grad(losses.sum(), leaf)
        return losses.detach(), gradients

    def expand_losses(
        self,
        w: Tensor,
        inputs: Tensor,
        targets: Tensor,
        noise: Tensor | None = None,
    ) -> LossExpansion:
        """Losses, gradients and products with H = ∂²L/∂w² at w, for the arguments of `losses`.

        H v is the gradient of ⟨∇L(w), v⟩ (Pearlmutter, 1994), so the graph of ∇L is kept until it
        is asked for. Forward over backward (`torch.func.jvp` of a gradient) took as long on CNNs,
        two to four times as long on MLPs, and does not know torch's LSTM. Attention runs by plain
        products, as its fused kernel has no second derivative.
        """
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            leaf = w.detach().requires_grad_()
            losses = self.losses(leaf, inputs, targets, noise)
            (gradients,) = torch.autograd.grad(losses.sum(), leaf, create_graph=True)

        def multiply(vectors: Tensor) -> Tensor:
            if not gradients.requires_grad:  # a loss that is linear in w
                return torch.zeros_like(w)
            (products,) = torch.autograd.grad(gradients, leaf, vectors, materialize_grads=True)
            return products

        return LossExpansion(losses.detach(), gradients.detach(), multiply)


def scale_rows(starts: Tensor, std: float | Tensor) -> Tensor:
    """Starts (L, p) times one number, or times one for each learner, shape (L,)."""
    if isinstance(std, Tensor):
        return starts * std[:, None].to(starts.dtype)
    return starts * std


class Classifier(Learner):
    """A network that gives a logit for each class; its loss is the softmax cross-entropy."""

    @abstractmethod
    def logits(self, w: Tensor, inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Shape (L, batch, n_classes) for w (L, p) and inputs (L, batch, n_features)."""

    @property
    def is_separable(self) -> bool:
        return not self.is_random

    def example_losses(self, w: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        return _cross_entropy(self.logits(w, inputs), targets)

    def losses(
        self,
        w: Tensor,
        inputs: Tensor,
        targets: Tensor,
        noise: Tensor | None = None,
    ) -> Tensor:
        return _cross_entropy(self.logits(w, inputs, noise), targets).mean(1)


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Shape (L, batch) for logits (L, batch, n_classes)."""
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return losses.view(targets.shape)

"""The two training tricks of the paper's Section 4 (from Lv, Jiang, Li 2017), as optimizees around
an optimizee.

    L_ext(w, z) = L(c₁ ⊙ w) + h(c₂ ⊙ z),    started at w_0 / c₁ and z_0 / c₂    (Eq. 9)

Random Scaling (RS) stretches every coordinate by its own c, so that no absolute size of a parameter
can be learned by heart. Combination with Convex functions (CC) adds coordinates z on which progress
is always easy.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from meta_trainer.learners import LossExpansion, Shapes
from meta_trainer.tasks.optimizees import Optimizee


@dataclass(frozen=True, eq=False)
class RandomScaling(Optimizee):
    """L(c ⊙ w), started at w_0 / c; the gradient is c ⊙ ∇L."""

    inner: Optimizee
    scale: Tensor
    """c, shape (L, p), positive."""

    def start(self) -> Tensor:
        return self.inner.start() / self.scale

    @property
    def shapes(self) -> Shapes | None:
        return self.inner.shapes

    def losses(self, w: Tensor, step: int) -> Tensor:
        return self.inner.losses(w * self.scale, step)

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        losses, gradients = self.inner.losses_and_gradients(w * self.scale, step)
        return losses, gradients * self.scale

    def expand_losses(self, w: Tensor, step: int) -> LossExpansion:
        """The Hessian's products are c ⊙ H(c ⊙ w) (c ⊙ v)."""
        inner = self.inner.expand_losses(w * self.scale, step)

        def multiply(vectors: Tensor) -> Tensor:
            return self.scale * inner.multiply(vectors * self.scale)

        return inner._replace(gradients=inner.gradients * self.scale, multiply=multiply)


@dataclass(frozen=True, eq=False)
class WithConvex(Optimizee):
    """L(w) + h(z) over the coordinates [w, z], with z_0 = 0 and the clipped square of the reference
    code:

    h(z) = 1/k Σ_i min((z_i − η_i)², 10)
    """

    inner: Optimizee
    target: Tensor
    """η, shape (L, k)."""

    def start(self) -> Tensor:
        z = torch.zeros_like(self.target)
        return torch.cat([self.inner.start(), z], dim=1)

    @property
    def shapes(self) -> Shapes | None:
        inner_shapes = self.inner.shapes
        if inner_shapes is None:
            return None
        return [*inner_shapes, (self.target.shape[1],)]

    def losses(self, w: Tensor, step: int) -> Tensor:
        learner_w, z = self._split(w)
        convex_losses, _ = self._convex(z)
        return convex_losses + self.inner.losses(learner_w, step)

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        learner_w, z = self._split(w)
        losses, gradients = self.inner.losses_and_gradients(learner_w, step)
        convex_losses, convex_gradients = self._convex(z)
        return losses + convex_losses, torch.cat([gradients, convex_gradients], dim=1)

    def expand_losses(self, w: Tensor, step: int) -> LossExpansion:
        """The two parts share no coordinate, and h″ = 2/k where the square is not clipped, else
        0."""
        learner_w, z = self._split(w)
        inner = self.inner.expand_losses(learner_w, step)
        convex_losses, convex_gradients = self._convex(z)
        is_clipped = (z - self.target).square() >= 10

        def multiply(vectors: Tensor) -> Tensor:
            learner_vectors, convex_vectors = self._split(vectors)
            convex_products = (2 * convex_vectors / z.shape[1]).masked_fill(is_clipped, 0.0)
            return torch.cat([inner.multiply(learner_vectors), convex_products], dim=1)

        return LossExpansion(
            inner.losses + convex_losses,
            torch.cat([inner.gradients, convex_gradients], dim=1),
            multiply,
            inner.kept,
        )

    def _convex(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """h (L,) and its gradient (L, k)."""
        difference = z - self.target
        square = difference.square()
        losses = square.clamp(max=10).mean(1)
        gradients = torch.where(square < 10, 2 * difference, 0.0) / difference.shape[1]
        return losses, gradients

    def _split(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """w and z, the coordinates of the learner and of its convex part."""
        k = self.target.shape[1]
        return w[:, :-k], w[:, -k:]

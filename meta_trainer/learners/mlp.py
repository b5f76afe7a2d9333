"""Multilayer perceptrons with cross-entropy: the paper's basic learner and its deeper relatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor

from meta_trainer.learners.base import Classifier, LossExpansion, Shapes
from meta_trainer.learners.mlp_derivatives import (
    ACTIVATIONS,
    Layer,
    multiply_hessians,
    run_backward,
    run_forward,
)

ACTIVATION_FUNCTIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    name: activation.function for name, activation in ACTIVATIONS.items()
}


class MLP(Classifier):
    """Linear layers `sizes[0] → … → sizes[-1]` with an activation between them; softmax
    cross-entropy.

    In the flat vector each layer is its weight (n_in, n_out), row by row, then its bias (n_out,).
    """

    def __init__(
        self, sizes: Sequence[int], activation: str, initialization: str = "normal"
    ) -> None:
        if activation not in ACTIVATION_FUNCTIONS:
            raise ValueError(
                f"activation must be one of {', '.join(ACTIVATION_FUNCTIONS)}, got {activation!r}"
            )
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes must be at least two positive numbers, got {tuple(sizes)}")
        self.sizes = tuple(sizes)
        self.activation = activation
        self.initialization = initialization
        self._activation = ACTIVATIONS[activation]
        self._lengths: list[int] = []
        for n_in, n_out in pairwise(self.sizes):
            self._lengths += [n_in * n_out, n_out]

    @property
    def n_coordinates(self) -> int:
        return sum(self._lengths)

    @property
    def shapes(self) -> Shapes:
        shapes: list[tuple[int, ...]] = []
        for n_in, n_out in pairwise(self.sizes):
            shapes += [(n_out, n_in), (n_out,)]
        return shapes

    def logits(self, w: Tensor, inputs: Tensor, noise: Tensor | None = None) -> Tensor:  # noqa: ARG002
        x = inputs
        for number, layer in enumerate(self._split_layers(w)):
            if number > 0:
                x = self._activation.function(x)
            x = torch.baddbmm(layer.bias, x, layer.weight)
        return x

    @torch.no_grad()
    def losses_and_gradients(
        self,
        w: Tensor,
        inputs: Tensor,
        targets: Tensor,
        noise: Tensor | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        layers = self._split_layers(w)
        forward = run_forward(layers, self._activation, inputs, targets)
        backward = run_backward(layers, self._activation, forward, targets)
        return forward.losses, backward.gradients

    @torch.no_grad()
    def expand_losses(
        self,
        w: Tensor,
        inputs: Tensor,
        targets: Tensor,
        noise: Tensor | None = None,  # noqa: ARG002
    ) -> LossExpansion:
        layers = self._split_layers(w)
        forward = run_forward(layers, self._activation, inputs, targets)
        backward = run_backward(layers, self._activation, forward, targets)

        @torch.no_grad()
        def multiply(vectors: Tensor) -> Tensor:
            directions = self._split_layers(vectors)
            return multiply_hessians(layers, directions, self._activation, forward, backward)

        kept = (*forward.sums, *forward.outputs, *backward.deltas, *backward.passed)
        return LossExpansion(forward.losses, backward.gradients, multiply, kept)

    def _split_layers(self, w: Tensor) -> list[Layer]:
        """Views of w (L, p)."""
        parts = iter(w.split(self._lengths, dim=1))
        layers: list[Layer] = []
        for n_in, n_out in pairwise(self.sizes):
            weight = next(parts).view(-1, n_in, n_out)
            layers.append(Layer(weight, next(parts)[:, None]))
        return layers

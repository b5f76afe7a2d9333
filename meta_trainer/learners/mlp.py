"""Multilayer perceptrons with cross-entropy: the paper's basic learner and its deeper relatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from meta_trainer.learners.base import Classifier, Shapes

ACTIVATION_FUNCTIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "elu": F.elu,
    "tanh": torch.tanh,
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
        self._function = ACTIVATION_FUNCTIONS[activation]
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
        parts = iter(w.split(self._lengths, dim=1))
        x = inputs
        for layer, (n_in, n_out) in enumerate(pairwise(self.sizes)):
            if layer > 0:
                x = self._function(x)
            weight = next(parts).view(-1, n_in, n_out)
            bias = next(parts)
            x = torch.baddbmm(bias[:, None], x, weight)
        return x

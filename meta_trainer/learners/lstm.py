"""Recurrent networks that predict the next value of a sequence: the paper's LSTM task."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from meta_trainer.learners.base import Learner, Shapes


class LSTM(Learner):
    """LSTM layers over a sequence of numbers, a linear layer on the last hidden state; mean squared
    error.

    Gates stand in torch's order (i, f, g, o), with one bias a gate and nothing added to it. The
    flat vector holds each LSTM layer, then the linear one:

        LSTM      weights for inputs (4 · hidden, n_in) and states (4 · hidden, hidden),
                  bias (4 · hidden,)
        linear    weight (hidden,), bias (1,)

    Learners go one after the other through torch's own LSTM, which took four fifths of the time of
    one written as batched products over learners.
    """

    def __init__(self, n_layers: int = 1, hidden: int = 20) -> None:
        if n_layers < 1 or hidden < 1:
            raise ValueError(f"n_layers and hidden must be positive, got {n_layers} and {hidden}")
        self.n_layers = n_layers
        self.hidden = hidden
        self._shapes = list(self._layer_shapes())
        self._lengths = [torch.Size(shape).numel() for shape in self._shapes]

    @property
    def n_coordinates(self) -> int:
        return sum(self._lengths)

    @property
    def shapes(self) -> Shapes:
        *layers, last, bias = self._shapes
        return [*layers, (1, *last), bias]

    def losses(
        self,
        w: Tensor,
        inputs: Tensor,
        targets: Tensor,
        noise: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """The same for inputs (L, batch, length) and targets (L, batch), numbers of w's dtype."""
        return (self.predictions(w, inputs) - targets).square().mean(1)

    def predictions(self, w: Tensor, inputs: Tensor) -> Tensor:
        """Shape (L, batch) for w (L, p) and inputs (L, batch, length)."""
        learners = zip(w, inputs, strict=True)
        return torch.stack([self._predict(*learner) for learner in learners])

    def _predict(self, w: Tensor, inputs: Tensor) -> Tensor:
        """Predictions (batch,) of one learner's w (p,) for inputs (batch, length)."""
        *layers, head_weight, head_bias = self._parameters(w)
        no_bias = w.new_zeros(4 * self.hidden)
        weights: list[Tensor] = []
        for i in range(0, len(layers), 3):
            weights += [*layers[i : i + 3], no_bias]

        state = w.new_zeros(self.n_layers, len(inputs), self.hidden)
        outputs, _, _ = torch.lstm(
            inputs[..., None],
            (state, state),
            weights,
            True,  # has_biases
            self.n_layers,
            0.0,  # dropout
            False,  # training
            False,  # bidirectional
            True,  # batch_first
        )
        return F.linear(outputs[:, -1], head_weight[None], head_bias)[:, 0]

    def _parameters(self, w: Tensor) -> list[Tensor]:
        """One learner's w (p,) in the shapes of its parameters."""
        parts = zip(w.split(self._lengths), self._shapes, strict=True)
        return [part.view(shape) for part, shape in parts]

    def _layer_shapes(self) -> Iterator[tuple[int, ...]]:
        sizes = [1, *[self.hidden] * self.n_layers]
        for n_in, n_out in pairwise(sizes):
            yield 4 * n_out, n_in
            yield 4 * n_out, n_out
            yield (4 * n_out,)
        yield (self.hidden,)
        yield (1,)

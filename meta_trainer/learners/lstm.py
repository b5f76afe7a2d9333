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

    Gates stand in torch's order (i, f, g, o), with one bias a gate and nothing added to it. In the
    flat vector each layer is its weight for inputs (4 · hidden, n_in), its weight for states (4 ·
    hidden, hidden) and its bias (4 · hidden,); then come the last layer's weight (hidden,) and bias
    (1,).

    Learners go one after the other through torch's own LSTM, which took four fifths of the time of
    one written as batched products over learners.
    """

    def __init__(self, n_layers: int = 1, hidden: int = 20) -> None:
        if n_layers < 1 or hidden < 1:
            raise ValueError(f"n_layers and hidden must be positive, got {n_layers} and {hidden}")
        self.n_layers, self.hidden = n_layers, hidden
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
        """The same for inputs (L, batch, length) and targets (L, batch), both numbers of w's
        dtype."""
        return (self.predictions(w, inputs) - targets).square().mean(1)

    def predictions(self, w: Tensor, inputs: Tensor) -> Tensor:
        """Shape (L, batch) for w (L, p) and inputs (L, batch, length)."""
        return torch.stack([self._one(*learner) for learner in zip(w, inputs, strict=True)])

    def _one(self, w: Tensor, inputs: Tensor) -> Tensor:
        *layers, weight, bias = (
            part.view(shape)
            for part, shape in zip(w.split(self._lengths), self._shapes, strict=True)
        )
        no_bias, state = (
            w.new_zeros(4 * self.hidden),
            w.new_zeros(self.n_layers, len(inputs), self.hidden),
        )
        parameters = [p for i in range(0, len(layers), 3) for p in (*layers[i : i + 3], no_bias)]
        has_biases, dropout, training, bidirectional, batch_first = True, 0.0, False, False, True
        outputs, _, _ = torch.lstm(
            inputs[..., None],
            (state, state),
            parameters,
            has_biases,
            self.n_layers,
            dropout,
            training,
            bidirectional,
            batch_first,
        )
        return F.linear(outputs[:, -1], weight[None], bias)[:, 0]

    def _layer_shapes(self) -> Iterator[tuple[int, ...]]:
        for n_in, n_out in pairwise([1, *[self.hidden] * self.n_layers]):
            yield from ((4 * n_out, n_in), (4 * n_out, n_out), (4 * n_out,))
        yield from ((self.hidden,), (1,))

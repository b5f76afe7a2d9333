"""Convolutional networks: CNN-1 (c-c-p-f) and CNN-2 (c-c-p-c-c-p-f-f) of the paper, with batch norm
and dropout.

Learners go one after the other through each network: on one thread that took about half the time of
a grouped convolution over all learners, and a third to two thirds of `vmap`'s
(docs/decisions/0012). Channels lie last in memory, which took as long as channels first on MNIST,
or a tenth less, and two thirds of its time on CIFAR-10.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from meta_trainer.learners.base import Classifier, Shapes
from meta_trainer.specs import Architecture

KERNEL_SIZE: Final = 3
DROPOUT: Final = 0.5
BATCH_NORM_EPSILON: Final = 1e-5

_CHANNELS: Final[dict[str, tuple[tuple[int, ...], ...]]] = {
    "cnn-1": ((16, 16),),
    "cnn-2": ((16, 16), (32, 32)),
}
_HIDDEN: Final[dict[str, tuple[int, ...]]] = {"cnn-1": (), "cnn-2": (64,)}


class CNN(Classifier):
    """Convolutions 3×3 (same size) with ReLU, 2×2 max-pooling after every second one, linear layers
    with ReLU between.

    Batch norm stands between a convolution and its ReLU, and is by the minibatch's own mean and
    variance, at all times, without scale or offset: it has neither parameters nor buffers. Dropout
    (one half) stands before the last layer.

    In the flat vector each layer is its weight, as `torch.nn` shapes it, then its bias.
    """

    def __init__(
        self,
        architecture: Architecture,
        image_shape: tuple[int, int, int],
        n_classes: int,
        *,
        batch_norm: bool = False,
        dropout: bool = False,
    ) -> None:
        """
        Args:
            image_shape: (channels, height, width).
        """
        if architecture not in _CHANNELS:
            raise ValueError(
                f"architecture must be one of {', '.join(_CHANNELS)}, got {architecture!r}"
            )
        if min(image_shape[1:]) < 2 ** len(_CHANNELS[architecture]):
            raise ValueError(
                f"image_shape {image_shape} is too small to be pooled by {architecture}"
            )

        self.architecture = architecture
        self.image_shape = image_shape
        self.n_classes = n_classes
        self.batch_norm = batch_norm
        self.dropout = dropout

        self._blocks = _CHANNELS[architecture]
        self._weight_shapes = list(self._layer_shapes())
        self._lengths = [torch.Size(shape).numel() for shape in self.shapes]

    @property
    def n_coordinates(self) -> int:
        return sum(self._lengths)

    @property
    def shapes(self) -> Shapes:
        shapes: list[tuple[int, ...]] = []
        for weight_shape in self._weight_shapes:
            shapes += [weight_shape, weight_shape[:1]]
        return shapes

    @property
    def is_random(self) -> bool:
        return self.dropout

    @property
    def is_separable(self) -> bool:
        return not (self.dropout or self.batch_norm)

    def noise(
        self,
        generators: Sequence[torch.Generator],
        batch_size: int,
        dtype: torch.dtype,
    ) -> Tensor:
        """Masks of what enters the last layer: 0 or 2, with the same probability.

        Returns:
            Shape (L, batch, n_inputs).
        """
        n_inputs = self._weight_shapes[-1][1]
        uniform = [torch.rand((batch_size, n_inputs), generator=g) for g in generators]
        is_kept = torch.stack(uniform) >= DROPOUT
        return is_kept.to(dtype) / (1 - DROPOUT)

    def logits(self, w: Tensor, inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        masks: Sequence[Tensor | None] = [None] * len(w) if noise is None else list(noise)
        learners = zip(w, inputs, masks, strict=True)
        return torch.stack([self._learner_logits(*learner) for learner in learners])

    def _learner_logits(self, w: Tensor, inputs: Tensor, mask: Tensor | None) -> Tensor:
        """Logits (batch, n_classes) of one learner's w (p,) for inputs (batch, n_features)."""
        layers = self._layers(w)
        x = inputs.view(-1, *self.image_shape).contiguous(memory_format=torch.channels_last)

        for *inner_channels, _ in self._blocks:
            for _ in inner_channels:
                x = F.relu(self._convolve(x, *next(layers)))

            # the same as max-pooling the ReLU, on a quarter of the numbers
            pooled = F.max_pool2d(self._convolve(x, *next(layers)), 2)
            x = F.relu(pooled)

        x = x.flatten(1)
        for _ in _HIDDEN[self.architecture]:
            x = F.relu(F.linear(x, *next(layers)))
        if mask is not None:
            x = x * mask
        return F.linear(x, *next(layers))

    def _layers(self, w: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Weight and bias of each layer of one learner's w (p,)."""
        parts = iter(w.split(self._lengths))
        for weight_shape in self._weight_shapes:
            weight = next(parts).view(weight_shape)
            bias = next(parts)
            yield weight, bias

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        x = F.conv2d(x, weight, bias, padding=KERNEL_SIZE // 2)
        if not self.batch_norm:
            return x
        return F.batch_norm(x, None, None, training=True, eps=BATCH_NORM_EPSILON)

    def _layer_shapes(self) -> Iterator[tuple[int, ...]]:
        """Shapes of the weights; each has a bias as long as its first dimension."""
        channels, height, width = self.image_shape
        for block in self._blocks:
            for n_out in block:
                yield n_out, channels, KERNEL_SIZE, KERNEL_SIZE
                channels = n_out
            height //= 2
            width //= 2

        n_in = channels * height * width
        for n_out in (*_HIDDEN[self.architecture], self.n_classes):
            yield n_out, n_in
            n_in = n_out

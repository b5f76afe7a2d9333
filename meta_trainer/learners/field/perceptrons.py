"""Multilayer perceptrons, at torch's start or at Kaiming's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn

Activation = Callable[[], nn.Module]


def make_mlp(sizes: Sequence[int], activation: Activation) -> nn.Sequential:
    """Linear layers with an activation between, at torch's start.

    Args:
        sizes: numbers that go in, hidden units of each layer, numbers that come out.
    """
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*layers[:-1])


def make_image_mlp(
    hidden: Sequence[int],
    activation: Activation,
    image_shape: tuple[int, int, int],
    n_classes: int,
) -> nn.Sequential:
    """The same from flat images to logits."""
    channels, height, width = image_shape
    return make_mlp((channels * height * width, *hidden, n_classes), activation)


def make_kaiming_mlp(sizes: Sequence[int]) -> nn.Sequential:
    """The same with ReLU, weights of Kaiming's normal start (He et al., 2015) and biases of 0."""
    network = make_mlp(sizes, nn.ReLU)
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return network

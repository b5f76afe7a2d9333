"""What shapes say, over the layers of torch.nn and modules as people write them."""

from __future__ import annotations

import pytest
import torch
from hyperadam.shapes import fan_in, is_vector, places, swap_ends
from torch import nn

LAYERS: list[tuple[str, nn.Module, int, int]] = [
    ("linear", nn.Linear(7, 3), 7, 1),
    ("one output", nn.Linear(64, 1), 64, 1),
    ("embedding", nn.Embedding(11, 5), 5, 1),
    ("conv 1d", nn.Conv1d(4, 6, 5), 20, 5),
    ("grouped conv 1d", nn.Conv1d(4, 6, 5, groups=2), 10, 5),
    ("pointwise conv 1d", nn.Conv1d(64, 32, 1), 64, 1),
    ("conv 2d", nn.Conv2d(4, 5, 3), 36, 9),
    ("depthwise conv 2d", nn.Conv2d(8, 8, 3, groups=8), 9, 9),
    ("conv 3d", nn.Conv3d(2, 3, 3), 54, 27),
]


@pytest.mark.parametrize(
    ("layer", "inputs", "n_places"), [row[1:] for row in LAYERS], ids=[row[0] for row in LAYERS]
)
def test_layers_of_torch(layer: nn.Module, inputs: int, n_places: int) -> None:
    weight = layer.weight
    assert isinstance(weight, nn.Parameter)
    assert fan_in(weight.shape) == inputs
    assert places(weight.shape) == n_places
    assert not is_vector(weight.shape)
    assert fan_in(weight.shape) == nn.init._calculate_fan_in_and_fan_out(weight)[0]


@pytest.mark.parametrize(
    ("shape", "inputs"),
    [
        ((1, 64, 64), 64),  # a matrix that carries a dimension
        ((8, 128, 32), 32),  # experts, or heads: (n, out, in)
        ((1, 197, 768), 768),  # positions of tokens
    ],
)
def test_stacks_are_of_matrices(shape: tuple[int, ...], inputs: int) -> None:
    assert (fan_in(shape), places(shape)) == (inputs, 1)
    assert not is_vector(shape)


@pytest.mark.parametrize(
    "module",
    [nn.LayerNorm(8), nn.BatchNorm2d(8), nn.PReLU(4), nn.MultiheadAttention(8, 2).out_proj],
    ids=lambda module: type(module).__name__,
)
def test_biases_and_scales_are_vectors(module: nn.Module) -> None:
    bias = getattr(module, "bias", None)
    vector = module.weight if bias is None else bias
    assert isinstance(vector, nn.Parameter)
    assert is_vector(vector.shape)
    assert (fan_in(vector.shape), places(vector.shape)) == (1, 1)


@pytest.mark.parametrize("shape", [(), (5,), (1, 1, 768), (1, 64, 1, 1), (64, 1, 1)])
def test_vectors_may_carry_dimensions(shape: tuple[int, ...]) -> None:
    assert is_vector(shape)
    assert (fan_in(shape), places(shape)) == (1, 1)


@pytest.mark.parametrize(
    "layer",
    [nn.ConvTranspose1d(4, 6, 5), nn.ConvTranspose2d(4, 6, 3)],
    ids=lambda layer: type(layer).__name__,
)
def test_swapped_ends_are_those_of_the_straight_layer(layer: nn.Module) -> None:
    weight = layer.weight
    assert isinstance(weight, nn.Parameter)
    swapped = swap_ends(weight.shape)
    assert swapped == tuple(torch.transpose(weight, 0, 1).shape)
    assert fan_in(swapped) == 4 * places(weight.shape)
    assert swap_ends((5,)) == (5,)

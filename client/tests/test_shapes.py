"""What shapes say, over the layers of torch.nn and modules as people write them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hyperadam.rules.roles import describe_traits, find_role
from hyperadam.shapes import fan_in, is_vector, places, read_shape, swap_ends
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


@pytest.mark.parametrize(
    ("shape", "role", "transposed", "expected"),
    [
        ((2, 4, 3, 5), "stack", False, (8, 3, 5)),  # experts of each layer
        ((2, 3, 5), "stack", True, (2, 5, 3)),  # each stored (in, out)
        ((6, 2, 8), "kernel", False, (6, 2, 8, 1)),  # over a sequence
        ((2, 6, 8), "kernel", True, (6, 2, 8, 1)),
        ((6, 2, 8), "matrix", False, (6, 16)),  # patches of an image
        ((8, 6), "matrix", True, (6, 8)),
        ((1, 7, 8), "vector", False, (56,)),  # places, without weights
        ((5,), "vector", True, (5,)),
    ],
)
def test_a_role_says_what_the_shape_does_not(
    shape: tuple[int, ...], role: str, transposed: bool, expected: tuple[int, ...]
) -> None:
    read = read_shape(shape, role, transposed=transposed)
    assert read == expected
    assert find_role(read) == role
    assert is_vector(read) == (role == "vector")
    inputs = {"vector": 1, "kernel": 16}.get(role, expected[-1])
    assert describe_traits(read)[0] == pytest.approx(math.log(inputs))


def test_without_a_role_a_shape_is_what_it_looks_like() -> None:
    assert read_shape((4, 3)) == (4, 3)
    assert read_shape((3, 4, 5, 5), transposed=True) == (4, 3, 5, 5)


@pytest.mark.parametrize(
    ("shape", "role", "message"),
    [
        ((4, 3), "stack", r"role 'stack' needs 3 dimensions, .* shape \(4, 3\)"),
        ((4,), "matrix", "role 'matrix' needs 2 dimensions"),
        ((4, 3), "embedding", "role must be None or one of vector, matrix, stack, kernel"),
        ((4, 3), 2, "role must be None or one of"),
        ((4, 3, 40), "kernel", r"no kernel is as wide as .* shape \(4, 3, 40\)"),
    ],
)
def test_refuses_a_role_that_a_shape_cannot_have(
    shape: tuple[int, ...], role: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_shape(shape, role)

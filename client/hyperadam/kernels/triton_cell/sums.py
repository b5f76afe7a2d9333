"""Sums of dΘ over the blocks that a program goes through, for layers that see two inputs."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from hyperadam.kernels.triton_cell.tiles import add_matrix, add_vector, outer


class LayerSums(NamedTuple):
    """Of J rows of a layer that sees two inputs of J rows each, below each other."""

    first: Any
    """Shape (ROWS, ROWS)."""
    second: Any
    """Shape (ROWS, ROWS)."""
    bias: Any
    """Shape (ROWS,)."""


@triton.jit
def start_layer_sums(constants):
    return LayerSums(
        tl.zeros([constants.ROWS, constants.ROWS], constants.DTYPE),
        tl.zeros([constants.ROWS, constants.ROWS], constants.DTYPE),
        tl.zeros([constants.ROWS], constants.DTYPE),
    )


@triton.jit
def add_block(sums, by_rows, first, second):
    """The sums, with those of one more block, where the layer's rows have the adjoint `by_rows`."""
    return LayerSums(
        sums.first + outer(by_rows, first),
        sums.second + outer(by_rows, second),
        sums.bias + tl.sum(by_rows, 1),
    )


@triton.jit
def store_layer_sums(weight, bias, sums, constants):
    """Adds the sums to a layer's part of dΘ in memory: rows of 2 J numbers, and J biases."""
    add_matrix(weight, sums.first, 2 * constants.J, constants)
    add_matrix(weight + constants.J, sums.second, 2 * constants.J, constants)
    add_vector(bias, sums.bias, constants)

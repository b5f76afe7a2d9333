"""Tiles of fields, sums over them, and matrix products: how numbers come in and go out."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl


class Tile(NamedTuple):
    """Where a block of one learner's coordinates lies in a row of n numbers."""

    columns: Any
    """Places in the row, shape (BLOCK,)."""
    exist: Any
    """Which of them the learner has, shape (BLOCK,)."""
    n: Any


@triton.jit
def locate_tile(block, learner, sizes, BLOCK: tl.constexpr):
    within = block * BLOCK + tl.arange(0, BLOCK)
    columns = learner.to(tl.int64) * sizes.p + within
    return Tile(columns, within < sizes.p, sizes.n)


@triton.jit
def load_row(row, tile):
    """A block's numbers of a gradient or a direction, which are of Θ's dtype."""
    return tl.load(row + tile.columns, mask=tile.exist, other=0.0)


@triton.jit
def locate_entries(tile, constants):
    """Where a tile's numbers lie in a field, and which of them there are."""
    r = tl.arange(0, constants.ROWS)
    rows = r[:, None].to(tl.int64) * tile.n
    row_exists = (r < constants.J)[:, None]
    return rows + tile.columns[None, :], row_exists & tile.exist[None, :]


@triton.jit
def load_tile(field, tile, constants):
    """A block's numbers of a field, in the dtype of arithmetic."""
    places, exist = locate_entries(tile, constants)
    stored = tl.load(field + places, mask=exist, other=0.0)
    return widen(stored, constants.DTYPE)


@triton.jit
def store_tile(field, value, tile, constants):
    """Writes a block's numbers, in the dtype of the field."""
    places, exist = locate_entries(tile, constants)
    stored = narrow(value, field.dtype.element_ty)
    tl.store(field + places, stored, mask=exist)


@triton.jit
def widen(x, dtype):
    """A stored number in the dtype of arithmetic."""
    if x.dtype == tl.bfloat16:
        return x.to(tl.float32).to(dtype)
    return x.to(dtype)


@triton.jit
def narrow(x, dtype):
    """A number as it is stored.

    A bfloat16 is rounded to nearest by its bits, as Triton's interpreter would cut it off.
    """
    if dtype == tl.bfloat16:
        bits = x.to(tl.float32).to(tl.int32, bitcast=True)
        last_bit = (bits >> 16) & 1
        nearest = (bits + 0x7FFF + last_bit) & -0x10000
        rounded = tl.where(x == x, nearest, 0x7FC00000)
        return rounded.to(tl.float32, bitcast=True).to(tl.bfloat16)
    return x.to(dtype)


@triton.jit
def store_sums(sums, values, learner, block, sizes, constants):
    """sums[row, learner, block] = the sum of a tile's row, in float64."""
    r = tl.arange(0, constants.ROWS)
    learners = r.to(tl.int64) * sizes.n_learners + learner
    places = learners * sizes.n_blocks + block
    row_sums = tl.sum(values, 1).to(tl.float64)
    tl.store(sums + places, row_sums, mask=r < constants.J)


@triton.jit
def load_vector(start, constants):
    """J numbers as a column, padded."""
    r = tl.arange(0, constants.ROWS)
    row = tl.load(start + r, mask=r < constants.J, other=0.0)
    return row[:, None]


@triton.jit
def locate_square(STRIDE: tl.constexpr, constants):
    """Where a J × J part of a matrix with rows of STRIDE numbers lies, and which numbers it has."""
    r = tl.arange(0, constants.ROWS)
    exists = r < constants.J
    places = r[:, None] * STRIDE + r[None, :]
    return places, exists[:, None] & exists[None, :]


@triton.jit
def load_matrix(start, STRIDE: tl.constexpr, constants):
    """A J × J part of a matrix with rows of STRIDE numbers, padded."""
    places, exist = locate_square(STRIDE, constants)
    return tl.load(start + places, mask=exist, other=0.0)


@triton.jit
def add_vector(start, value, constants):
    """Adds ROWS numbers to J numbers in memory."""
    r = tl.arange(0, constants.ROWS)
    exist = r < constants.J
    total = tl.load(start + r, mask=exist, other=0.0) + value
    tl.store(start + r, total, mask=exist)


@triton.jit
def add_matrix(start, value, STRIDE: tl.constexpr, constants):
    """Adds to a J × J part of a matrix in memory."""
    places, exist = locate_square(STRIDE, constants)
    total = tl.load(start + places, mask=exist, other=0.0) + value
    tl.store(start + places, total, mask=exist)


@triton.jit
def matmul(a, b):
    """The matrix product, in full precision."""
    return tl.dot(a, b, input_precision="ieee", out_dtype=a.dtype)


@triton.jit
def matmul_transposed(a, b):
    """aᵀ b."""
    return matmul(tl.trans(a), b)


@triton.jit
def outer(a, b):
    """a bᵀ: the sum of outer products over a block."""
    return matmul(a, tl.trans(b))

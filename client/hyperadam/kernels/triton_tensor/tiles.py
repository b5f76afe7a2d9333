"""Blocks of a field: how numbers come in and go out."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from hyperadam.kernels.triton_cell.tiles import narrow, widen


class Tile(NamedTuple):
    """One block of one tensor of one learner, and all candidates' rows of it."""

    columns: Any
    """Places in a row of L p numbers, shape (BLOCK,)."""
    exist: Any
    """Which of them the tensor has, shape (BLOCK,)."""
    rows: Any
    """Places in a field of J rows, shape (ROWS, BLOCK)."""
    rows_exist: Any
    """Shape (ROWS, BLOCK)."""
    place: Any
    """Of the learner's tensor in a row of L k numbers."""
    places: Any
    """The same in each of J rows, shape (ROWS,)."""
    n_places: Any
    """L k."""
    block: Any
    """Of the learner's block in a row of sums."""
    n_blocks: Any
    """Of one learner."""
    n_learners: Any


class Sizes(NamedTuple):
    """Of the learners of a launch."""

    p: Any
    n_learners: Any
    n_tensors: Any
    n_blocks: Any
    """Of one learner."""
    most_blocks: Any
    """Of a tensor."""


class Constants(NamedTuple):
    """What the kernels are compiled for."""

    J: Any
    ROWS: Any
    """A power of two of at least J."""
    DTYPE: Any
    EPSILON: Any
    BOUND: Any


@triton.jit
def locate_tile(blocks, sizes, constants, BLOCK: tl.constexpr):
    block = tl.program_id(0)
    learner = tl.program_id(1).to(tl.int64)
    tensor = tl.load(blocks.tensors + block)
    within = tl.load(blocks.begins + block) + tl.arange(0, BLOCK)
    exist = within < tl.load(blocks.ends + tensor)
    columns = learner * sizes.p + within

    j = tl.arange(0, constants.ROWS)
    has_row = j < constants.J
    first_columns = j[:, None].to(tl.int64) * sizes.p * sizes.n_learners
    n_places = sizes.n_tensors * sizes.n_learners
    place = learner * sizes.n_tensors + tensor
    return Tile(
        columns,
        exist,
        first_columns + columns[None, :],
        has_row[:, None] & exist[None, :],
        place,
        j * n_places + place,
        n_places,
        learner * sizes.n_blocks + block,
        sizes.n_blocks,
        sizes.n_learners,
    )


@triton.jit
def load_column(field, tile, constants):
    """A block of one row, in the dtype of arithmetic; 0 where there is nothing."""
    return widen(tl.load(field + tile.columns, mask=tile.exist, other=0.0), constants.DTYPE)


@triton.jit
def store_column(field, value, tile):
    stored = narrow(value, field.dtype.element_ty)
    tl.store(field + tile.columns, stored, mask=tile.exist)


@triton.jit
def load_rows(field, tile, constants):
    """A block of J rows, padded with zeros."""
    return widen(tl.load(field + tile.rows, mask=tile.rows_exist, other=0.0), constants.DTYPE)


@triton.jit
def store_rows(field, value, tile):
    stored = narrow(value, field.dtype.element_ty)
    tl.store(field + tile.rows, stored, mask=tile.rows_exist)


@triton.jit
def load_numbers(field, tile, constants):
    """A tensor's J numbers as a column, padded with zeros."""
    j = tl.arange(0, constants.ROWS)
    return tl.load(field + tile.places, mask=j < constants.J, other=0.0)[:, None]


@triton.jit
def store_row_sums(sums, first_row, values, tile, constants):
    """Sums over the block of J rows, from `first_row` on."""
    j = tl.arange(0, constants.ROWS)
    places = (first_row + j) * tile.n_blocks * tile.n_learners + tile.block
    tl.store(sums + places, tl.sum(values, 1), mask=j < constants.J)


@triton.jit
def store_sum(sums, row, values, tile):
    place = row * tile.n_blocks * tile.n_learners + tile.block
    tl.store(sums + place, tl.sum(values, 0))

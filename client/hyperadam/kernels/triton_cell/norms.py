"""Norms over the coordinates of one learner: sums that blocks have made, added up in a fixed order
in float64."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

import triton
import triton.language as tl

from hyperadam.kernels.triton_cell.tiles import load_row, locate_tile


@triton.jit
def sum_gradient_squares(gradient, sums, sizes, BLOCK: tl.constexpr):
    """sums[0, learner, block] = Σ g². Grid: (blocks of a learner, learners)."""
    block = tl.program_id(0)
    learner = tl.program_id(1)
    tile = locate_tile(block, learner, sizes, BLOCK)
    g = load_row(gradient, tile)
    square = tl.sum(g * g, 0).to(tl.float64)
    tl.store(sums + learner * sizes.n_blocks + block, square)


@triton.jit
def add_blocks(sums, row, learner, sizes, CHUNK: tl.constexpr):
    """The sum of sums[row, learner], CHUNK blocks at a time."""
    start = sums + (row.to(tl.int64) * sizes.n_learners + learner) * sizes.n_blocks
    total = tl.zeros([CHUNK], tl.float64)
    for first in range(0, sizes.n_blocks, CHUNK):
        block = first + tl.arange(0, CHUNK)
        total += tl.load(start + block, mask=block < sizes.n_blocks, other=0.0)
    return tl.sum(total, 0)


@triton.jit
def compute_scales(
    sums,
    scales,
    sizes,
    first,
    stride,
    EPSILON: tl.constexpr,
    RMS: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """scales[learner, first + row] = 1/√(Σx² or its mean, + ε), 0 for zeros.

    Grid: (learners, rows).
    """
    learner = tl.program_id(0)
    row = tl.program_id(1)
    square = add_blocks(sums, row, learner, sizes, CHUNK)
    if RMS:
        square = square / sizes.p
    square = square + EPSILON
    positive = tl.where(square > 0, square, 1.0)
    scale = tl.where(square > 0, 1 / tl.sqrt(positive), 0.0)
    place = scales + learner * stride + first + row
    tl.store(place, scale.to(scales.dtype.element_ty))


@triton.jit
def compute_corrections(
    sums,
    scales,
    corrections,
    sizes,
    first,
    stride,
    RMS: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """corrections[learner, row] = κ² <z, x> / (1 or p), what x̄ loses for each unit of x.

    Grid: (learners, rows).
    """
    learner = tl.program_id(0)
    row = tl.program_id(1)
    dot = add_blocks(sums, row, learner, sizes, CHUNK)
    scale = tl.load(scales + learner * stride + first + row).to(tl.float64)
    correction = dot * scale * scale
    if RMS:
        correction = correction / sizes.p
    place = corrections + learner * (stride - first) + row
    tl.store(place, correction.to(corrections.dtype.element_ty))

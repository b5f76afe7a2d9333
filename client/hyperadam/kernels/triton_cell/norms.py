"""Norms over the coordinates of one learner: sums that blocks have made, added up in a fixed order
in float64."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

import triton
import triton.language as tl

from hyperadam.kernels.triton_cell.functions import columns, load_row


@triton.jit
def gradient_squares(g, sums, p, n_blocks, BLOCK: tl.constexpr):
    """sums[0, learner, block] = Σ g². Grid: (blocks of a learner, learners)."""
    block, learner = tl.program_id(0), tl.program_id(1)
    at, has = columns(block, learner, p, BLOCK)
    x = load_row(g, at, has, g.dtype.element_ty)
    tl.store(sums + learner * n_blocks + block, tl.sum(x * x, 0).to(tl.float64))


@triton.jit
def _total(sums, row, learner, n_learners, n_blocks, CHUNK: tl.constexpr):
    start = sums + (row.to(tl.int64) * n_learners + learner) * n_blocks
    total = tl.zeros([CHUNK], tl.float64)
    for first in range(0, n_blocks, CHUNK):
        k = first + tl.arange(0, CHUNK)
        total += tl.load(start + k, mask=k < n_blocks, other=0.0)
    return tl.sum(total, 0)


@triton.jit
def scales_of_squares(
    sums,
    scales,
    p,
    n_learners,
    n_blocks,
    first,
    stride,
    EPSILON: tl.constexpr,
    RMS: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """scales[learner, first + row] = 1/√(Σx² or its mean, + ε), 0 for zeros. Grid: (learners,
    rows)."""
    learner, row = tl.program_id(0), tl.program_id(1)
    square = _total(sums, row, learner, n_learners, n_blocks, CHUNK)
    if RMS:
        square = square / p
    square = square + EPSILON
    scale = tl.where(square > 0, 1 / tl.sqrt(tl.where(square > 0, square, 1.0)), 0.0)
    tl.store(scales + learner * stride + first + row, scale.to(scales.dtype.element_ty))


@triton.jit
def corrections_of_dots(
    sums,
    scales,
    corrections,
    p,
    n_learners,
    n_blocks,
    first,
    stride,
    RMS: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """corrections[learner, row] = κ² <z, x> / (1 or p), what x̄ loses for each unit of x. Grid:
    (learners, rows)."""
    learner, row = tl.program_id(0), tl.program_id(1)
    dot = _total(sums, row, learner, n_learners, n_blocks, CHUNK)
    scale = tl.load(scales + learner * stride + first + row).to(tl.float64)
    correction = dot * scale * scale
    if RMS:
        correction = correction / p
    tl.store(
        corrections + learner * (stride - first) + row, correction.to(corrections.dtype.element_ty)
    )

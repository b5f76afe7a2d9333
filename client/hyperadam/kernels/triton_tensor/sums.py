"""Sums of blocks to sums of tensors, in a fixed order and in float64."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def add_blocks(
    sums, totals, blocks, sizes, N: tl.constexpr, ROWS: tl.constexpr, CHUNK: tl.constexpr
):
    """totals[row, learner, tensor] = the sum of sums[row, learner] over the tensor's blocks, of N
    rows, padded to ROWS; 0 of an empty tensor. Grid: (tensors, learners)."""
    tensor = tl.program_id(0)
    learner = tl.program_id(1)
    row = tl.arange(0, ROWS)
    exists = row < N
    learners = row.to(tl.int64) * sizes.n_learners + learner
    first = tl.load(blocks.firsts + tensor)
    last = tl.load(blocks.firsts + tensor + 1)

    total = tl.zeros([ROWS, CHUNK], tl.float64)
    for begin in range(0, sizes.most_blocks, CHUNK):
        block = first + begin + tl.arange(0, CHUNK)
        places = learners[:, None] * sizes.n_blocks + block[None, :]
        mask = exists[:, None] & (block < last)[None, :]
        total += tl.load(sums + places, mask=mask, other=0.0).to(tl.float64)

    stored = tl.sum(total, 1).to(totals.dtype.element_ty)
    tl.store(totals + learners * sizes.n_tensors + tensor, stored, mask=exists)

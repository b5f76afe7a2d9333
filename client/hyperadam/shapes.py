"""What a parameter's shape says of how it is used.

| shape | layout |
|---|---|
| (), (n,) and more dimensions of which at most one is not 1 | a vector: biases, scales, tokens |
| (out, in) | a matrix |
| (n, out, in), (…, n, out, in) | a stack of matrices: experts, heads, positions |
| (out, in, k), k < 16; (out, in, k_1, k_2, …), all k_i < 33 | a kernel over places |

Of three dimensions the last alone tells kernels of sequences and stacks apart: few kernels are
wider than 15, and few matrices narrower than 16. Of four and more, kernels are at most as wide as
the patches of a vision transformer, 32, and at most 7 where they have one output: (1, 768, 14, 14)
and (1, 64, 64, 768) are tables of positions. Weights that are stored (in, out, …), as those of
transposed convolutions and of GPT-2's `Conv1D` are, look like others: whoever has such says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

WIDEST_SEQUENCE_KERNEL: Final = 15
WIDEST_KERNEL: Final = 32
WIDEST_KERNEL_OF_ONE_OUTPUT: Final = 7


def is_vector(shape: Sequence[int]) -> bool:
    """Whether a parameter of this shape weighs no inputs against each other.

    A matrix of one row is none: it weighs all of its columns.
    """
    n_wide = sum(size != 1 for size in shape)
    return len(shape) < 2 or (len(shape) > 2 and n_wide <= 1)


def fan_in(shape: Sequence[int]) -> int:
    """How many inputs a parameter of this shape weighs in each of its sums, as in `torch.nn.init`.

    Of a matrix (out, in), and of a stack of them, its columns; of a kernel (out, in, …) its
    channels times its places; 1 of a bias or a scale.
    """
    if is_vector(shape):
        return 1
    return max(1, math.prod(_describe_unit(shape)))


def places(shape: Sequence[int]) -> int:
    """From how many places a parameter of this shape takes each channel.

    9 of a kernel (out, in, 3, 3); 1 of a matrix, a stack, a bias or a scale.
    """
    if is_vector(shape):
        return 1
    return max(1, math.prod(_describe_unit(shape)[1:]))


def is_stack(shape: Sequence[int]) -> bool:
    """Whether it is of several matrices (out, in), which are its last two dimensions."""
    if len(shape) < 3 or is_vector(shape):
        return False
    n_outputs, _, *kernel = shape
    if len(shape) == 3:
        return shape[2] > WIDEST_SEQUENCE_KERNEL
    widest = WIDEST_KERNEL_OF_ONE_OUTPUT if n_outputs == 1 else WIDEST_KERNEL
    return max(kernel) > widest


def swap_ends(shape: Sequence[int]) -> tuple[int, ...]:
    """(out, in, …) of what is stored (in, out, …), and (…, out, in) of a stack of (…, in, out)."""
    if len(shape) < 2:
        return tuple(shape)
    if is_stack(shape):
        *rest, n_in, n_out = shape
        return (*rest, n_out, n_in)
    n_in, n_out, *kernel = shape
    return (n_out, n_in, *kernel)


def _describe_unit(shape: Sequence[int]) -> Sequence[int]:
    """Channels, and places of each, that one output sums over."""
    return shape[-1:] if is_stack(shape) else shape[1:]

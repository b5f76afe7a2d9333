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
transposed convolutions and of GPT-2's `Conv1D` are, look like others: whoever has such says so. So
does whoever has narrow stacks of four dimensions, or a wide kernel over a sequence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

WIDEST_SEQUENCE_KERNEL: Final = 15
WIDEST_KERNEL: Final = 32
WIDEST_KERNEL_OF_ONE_OUTPUT: Final = 7
LEAST_DIMENSIONS: Final = {"vector": 0, "matrix": 2, "stack": 3, "kernel": 3}
"""Of a parameter that is said to have a role."""


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


def fan_out(shape: Sequence[int]) -> int:
    """How many outputs a parameter of this shape gives from each of its inputs.

    Of a matrix (out, in), and of a stack of them, its rows; of a kernel (out, in, …) its output
    channels; 1 of a bias or a scale.
    """
    if is_vector(shape):
        return 1
    return max(1, shape[-2] if is_stack(shape) else shape[0])


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


def read_shape(
    shape: Sequence[int], role: str | None = None, *, transposed: bool = False
) -> tuple[int, ...]:
    """The shape, of as many numbers, of a parameter that looks like what this one is.

    (n,) of a vector; (out, rest) of a matrix; (all dimensions but the last two, out, in) of a
    stack; (out, in, k, 1) of a kernel over a sequence.

    Args:
        shape: as it is stored.
        role: one of `LEAST_DIMENSIONS`; None: what the shape looks like.
        transposed: it is stored (in, out, …), each matrix of a stack (in, out).

    Raises:
        ValueError: there is no such role, or no parameter of this shape has it.
    """
    if role is not None:
        check_role(shape, role)
    if role == "stack":
        n_out, n_in = shape[-2:]
        unit = (n_in, n_out) if transposed else (n_out, n_in)
        return (math.prod(shape[:-2]), *unit)

    straight = tuple(shape)
    if transposed:
        straight = (shape[1], shape[0], *shape[2:]) if role == "kernel" else swap_ends(shape)
    if role == "vector":
        return (math.prod(straight),)
    if role == "matrix":
        return (straight[0], math.prod(straight[1:]))
    if role == "kernel" and len(straight) == 3:
        return (*straight, 1)
    return straight


def check_role(shape: Sequence[int], role: object) -> None:
    """Refuse a role that a parameter of this shape cannot have.

    Raises:
        ValueError: there is no such role, or no parameter of this shape has it.
    """
    if not isinstance(role, str) or role not in LEAST_DIMENSIONS:
        raise ValueError(f"role must be None or one of {', '.join(LEAST_DIMENSIONS)}, got {role!r}")
    if len(shape) < LEAST_DIMENSIONS[role]:
        raise ValueError(
            f"role {role!r} needs {LEAST_DIMENSIONS[role]} dimensions, got a parameter of shape "
            f"{tuple(shape)}"
        )
    if role == "kernel" and is_stack((*shape, 1)):
        raise ValueError(f"no kernel is as wide as a parameter of shape {tuple(shape)}")


def _describe_unit(shape: Sequence[int]) -> Sequence[int]:
    """Channels, and places of each, that one output sums over."""
    return shape[-1:] if is_stack(shape) else shape[1:]

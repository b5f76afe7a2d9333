"""What the kernels of the cell are compiled for."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Self

import torch
import triton.language as tl

from hyperadam.rules import HyperAdamRule

_DTYPES: Final = {torch.float32: tl.float32, torch.float64: tl.float64}


class CellConstants(NamedTuple):
    """The choices of a spec, and how a tile is padded; all of them compile-time constants.

    Kernels take them as one argument, and read `constants.J` as a constant.
    """

    J: Any
    ROWS: Any
    """Of a tile: a power of two of at least J and 16, as Triton's products need it."""
    DTYPE: Any
    """Of Θ, and of all arithmetic."""
    N_THETA: Any
    SQUASH: Any
    NORMALIZE_STATE: Any
    INSIDE_ROOT: Any
    EPSILON: Any
    FORGET_BIAS: Any

    @classmethod
    def of(cls, rule: HyperAdamRule, dtype: torch.dtype) -> Self:
        spec = rule.spec
        j = spec.n_candidates
        return cls(
            J=tl.constexpr(j),
            ROWS=tl.constexpr(max(16, 1 << (j - 1).bit_length())),
            DTYPE=tl.constexpr(_DTYPES[dtype]),
            N_THETA=tl.constexpr(rule.n_theta),
            SQUASH=tl.constexpr(spec.squash == "asinh"),
            NORMALIZE_STATE=tl.constexpr(spec.normalize_state),
            INSIDE_ROOT=tl.constexpr(spec.epsilon_inside_root),
            EPSILON=tl.constexpr(spec.epsilon),
            FORGET_BIAS=tl.constexpr(spec.forget_bias),
        )

"""Tapes and steppers of rules whose coordinates stand still where their gradient is zero, around fused ones.

The fused kernels compute every direction; here those of still coordinates become zero, and so do their derivatives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from hyperadam.kernels import Stepper, Tape


class StillTape:
    """One period; see `hyperadam.kernels.Tape`."""

    def __init__(self, inner: Tape) -> None:
        self._inner = inner
        self._still: list[Tensor] = []

    @property
    def state(self) -> Any:
        return self._inner.state

    def step(self, gradient: Tensor) -> Tensor:
        self._still.append(gradient == 0)
        return self._inner.step(gradient).masked_fill(self._still[-1], 0.0)

    def backward(self, upstream: Tensor) -> Tensor:
        if len(upstream) == len(self._still):
            upstream = upstream.masked_fill(torch.stack(self._still), 0.0)
        self._still = []
        return self._inner.backward(upstream)  # which refuses any other number of steps


class StillStepper:
    """Single steps; see `hyperadam.kernels.Stepper`."""

    def __init__(self, inner: Stepper) -> None:
        self._inner = inner

    def step(
        self, gradient: Tensor, state: Any, *, out_state: Any = None, out: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        still = gradient == 0  # before `out`, which may be the gradient, is written to
        direction, new_state = self._inner.step(gradient, state, out_state=out_state, out=out)
        return direction.masked_fill_(still, 0.0), new_state

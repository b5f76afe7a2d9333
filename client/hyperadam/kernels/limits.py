"""Tapes and steppers of rules that limit their directions, around fused ones: 0 where the gradient
is, and within ± b.

The fused kernels compute every direction; here those of still coordinates become 0, and long ones
b. The derivative of either is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch
from torch import Tensor

from hyperadam.rules import Rule

if TYPE_CHECKING:
    from hyperadam.kernels import Stepper, Tape


class KernelLimits(NamedTuple):
    """What a rule's directions are limited by."""

    stands_still: bool
    bound: float
    """b; 0: none."""

    @classmethod
    def of(cls, rule: Rule[Any]) -> Self | None:
        """None: the rule's directions have no limits."""
        limits = cls(rule.stands_still, rule.direction_bound)
        return limits if any(limits) else None

    def find_still(self, gradient: Tensor) -> Tensor | None:
        """Where the direction is 0; None: nowhere."""
        return gradient == 0 if self.stands_still else None

    def apply_(self, direction: Tensor, still: Tensor | None) -> Tensor:
        """The direction within its limits, in place."""
        if still is not None:
            direction.masked_fill_(still, 0.0)
        if self.bound:
            direction.clamp_(-self.bound, self.bound)
        return direction

    def find_cut(self, direction: Tensor, still: Tensor | None) -> Tensor:
        """Where a direction, as it is before its limits, is not what comes out.

        Nothing is differentiable there. Shape and device are the direction's.
        """
        if self.bound:
            cut = direction.abs() > self.bound
        else:
            cut = torch.zeros_like(direction, dtype=torch.bool)
        return cut if still is None else cut | still


class LimitedTape:
    """One period; see `hyperadam.kernels.Tape`."""

    def __init__(self, inner: Tape, limits: KernelLimits) -> None:
        self._inner = inner
        self._limits = limits
        self._cut: list[Tensor] = []

    @property
    def state(self) -> Any:
        return self._inner.state

    def step(self, gradient: Tensor) -> Tensor:
        still = self._limits.find_still(gradient)
        direction = self._inner.step(gradient)
        self._cut.append(self._limits.find_cut(direction, still))
        return self._limits.apply_(direction.clone(), still)

    def backward(self, upstream: Tensor) -> Tensor:
        if len(upstream) == len(self._cut):
            upstream = upstream.masked_fill(torch.stack(self._cut), 0.0)
        self._cut = []
        return self._inner.backward(upstream)  # which refuses any other number of steps


class LimitedStepper:
    """Single steps; see `hyperadam.kernels.Stepper`."""

    def __init__(self, inner: Stepper, limits: KernelLimits) -> None:
        self._inner = inner
        self._limits = limits

    def step(
        self, gradient: Tensor, state: Any, *, out_state: Any = None, out: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        # Before the step, which writes to `out`: that may be the gradient's memory.
        still = self._limits.find_still(gradient)
        direction, new_state = self._inner.step(gradient, state, out_state=out_state, out=out)
        return self._limits.apply_(direction, still), new_state

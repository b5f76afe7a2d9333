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


class Limits(NamedTuple):
    """What a rule's directions are limited by."""

    stands_still: bool
    bound: float
    """b; 0: none."""

    @classmethod
    def of(cls, rule: Rule[Any]) -> Self | None:
        """None: the rule's directions have no limits."""
        limits = cls(rule.stands_still, rule.direction_bound)
        return limits if any(limits) else None

    def still(self, gradient: Tensor) -> Tensor | None:
        """Where the direction is 0; None: nowhere."""
        return gradient == 0 if self.stands_still else None

    def apply_(self, direction: Tensor, still: Tensor | None) -> Tensor:
        """The direction within its limits, in place."""
        if still is not None:
            direction.masked_fill_(still, 0.0)
        return direction.clamp_(-self.bound, self.bound) if self.bound else direction

    def cut(self, direction: Tensor, still: Tensor | None) -> Tensor:
        """Where a direction, before its limits, is not what comes out, nor differentiable: shape
        and place as its."""
        long = (
            direction.abs() > self.bound
            if self.bound
            else torch.zeros_like(direction, dtype=torch.bool)
        )
        return long if still is None else long | still


class LimitedTape:
    """One period; see `hyperadam.kernels.Tape`."""

    def __init__(self, inner: Tape, limits: Limits) -> None:
        self._inner, self._limits = inner, limits
        self._cut: list[Tensor] = []

    @property
    def state(self) -> Any:
        return self._inner.state

    def step(self, gradient: Tensor) -> Tensor:
        still, direction = self._limits.still(gradient), self._inner.step(gradient)
        self._cut.append(self._limits.cut(direction, still))
        return self._limits.apply_(direction.clone(), still)

    def backward(self, upstream: Tensor) -> Tensor:
        if len(upstream) == len(self._cut):
            upstream = upstream.masked_fill(torch.stack(self._cut), 0.0)
        self._cut = []
        return self._inner.backward(upstream)  # which refuses any other number of steps


class LimitedStepper:
    """Single steps; see `hyperadam.kernels.Stepper`."""

    def __init__(self, inner: Stepper, limits: Limits) -> None:
        self._inner, self._limits = inner, limits

    def step(
        self, gradient: Tensor, state: Any, *, out_state: Any = None, out: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        still = self._limits.still(
            gradient
        )  # before `out`, which may be the gradient, is written to
        direction, new_state = self._inner.step(gradient, state, out_state=out_state, out=out)
        return self._limits.apply_(direction, still), new_state

"""The plain way: any rule's own `update`, differentiated by autograd. What every kernel is compared
with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hyperadam.rules import Rule


class ReferenceTape:
    """A tape over `rule.update`; see `hyperadam.kernels.Tape`."""

    def __init__(self, rule: Rule[Any], theta: Tensor, state: Any) -> None:
        self._rule = rule
        self._vector = theta.detach().requires_grad_()
        self._theta = rule.unpack(self._vector)
        self._state = type(state)(*(field.detach() for field in state))
        self._directions: list[Tensor] = []

    @property
    def state(self) -> Any:
        return type(self._state)(*(field.detach() for field in self._state))

    def step(self, gradient: Tensor) -> Tensor:
        with torch.enable_grad():
            direction, self._state = self._rule.update(self._theta, gradient.detach(), self._state)
        self._directions.append(direction)
        return direction.detach()

    def backward(self, upstream: Tensor) -> Tensor:
        check_upstream(upstream, self._directions)
        (gradient,) = torch.autograd.grad(self._directions, self._vector, list(upstream))
        self._directions = []
        return gradient


class ReferenceStepper:
    """Single steps by `rule.update`; see `hyperadam.kernels.Stepper`. A state in bfloat16 is
    widened as a whole."""

    def __init__(self, rule: Rule[Any], theta: Tensor) -> None:
        self._rule = rule
        self._theta = rule.unpack(theta.detach())

    @torch.no_grad()
    def step(
        self, gradient: Tensor, state: Any, *, out_state: Any = None, out: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        wide_state = self._rule.cast_state(state, gradient.dtype)
        direction, new_state = self._rule.update(self._theta, gradient, wide_state)
        if out is not None:
            direction = out.copy_(direction)
        if out_state is None:
            return direction, self._rule.cast_state(new_state, state[0].dtype)
        for target, field in zip(out_state, new_state, strict=True):
            target.copy_(field)
        return direction, out_state


def check_upstream(upstream: Tensor, directions: list[Tensor]) -> None:
    """Upstream has one entry for each step taken.

    Raises:
        ValueError: no step was taken, or the shape is not (steps, *batch, p).
    """
    if not directions:
        raise ValueError("backward needs a tape with at least one step, and works once")
    expected = (len(directions), *directions[0].shape)
    if tuple(upstream.shape) != expected:
        raise ValueError(f"upstream has shape {tuple(upstream.shape)}, expected {expected}")

"""Tapes of the rule whose cells are a tensor's, on the CPU: the step and its derivative in compiled
code, each in one pass over all coordinates.

Of every step the state before it, its gradient and nothing else is kept: J + 2 numbers a
coordinate. The rest is computed again on the way back.
"""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor

from hyperadam.kernels.checks import check_tensor
from hyperadam.kernels.pool import POOL
from hyperadam.kernels.reference import check_upstream
from hyperadam.kernels.tensor_library import (
    CPU,
    MOVING_FIELDS,
    TensorKernel,
    TensorLayout,
    check_tensor_state,
)
from hyperadam.rules import HyperAdamTensorState


class FusedTensorStepwiseTape:
    """One period, differentiated step by step; see `hyperadam.kernels.StepwiseTape`. Learners may
    have any batch shape; their gradients of Θ are in the flat order of it."""

    def __init__(self, kernel: TensorKernel, state: Any) -> None:
        self._kernel = kernel
        shape = tuple(state[0].shape[1:])
        fields = check_tensor_state(kernel, state, shape)
        self._layout = TensorLayout(kernel, shape, fields)
        self._shapes = self._layout.shape_fields(kernel)
        self._sizes = [prod(field_shape) for field_shape in self._shapes.values()]
        self._gradients: list[Tensor] = []
        self._adjoint: Tensor | None = None
        self._end_state: HyperAdamTensorState | None = None
        self._totals = torch.zeros(
            self._layout.n_learners, kernel.rule.n_theta, dtype=torch.float64
        )
        self._slots = [self._take_slot()]
        moving = [getattr(fields, name).reshape(-1) for name in MOVING_FIELDS]
        torch.cat(moving, out=self._slots[0])

    def _take_slot(self) -> Tensor:
        """Memory for the fields that a step changes, one after the other."""
        return POOL.take(sum(self._sizes), self._kernel.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """(*batch, p)."""
        return self._layout.shape

    @property
    def state(self) -> HyperAdamTensorState:
        return self._read_state() if self._end_state is None else self._end_state

    def _read_state(self) -> HyperAdamTensorState:
        """A copy of the last slot that is left."""
        parts = self._slots[-1].clone().split(self._sizes)
        named = zip(self._shapes.items(), parts, strict=True)
        fields = {name: part.view(shape) for (name, shape), part in named}
        return HyperAdamTensorState(**fields, **self._layout.constants)

    @property
    def theta_gradients(self) -> Tensor:
        return self._totals.to(self._kernel.dtype)

    def step(self, gradient: Tensor) -> Tensor:
        kernel = self._kernel
        checked = check_tensor("gradient", gradient, self.shape, kernel.dtype, CPU)
        gradient = checked.contiguous()
        slot = self._take_slot()
        direction = torch.empty_like(gradient)
        kernel.library.tape_step(
            self._layout.address,
            kernel.theta.data_ptr(),
            gradient.data_ptr(),
            self._slots[-1].data_ptr(),
            slot.data_ptr(),
            direction.data_ptr(),
        )
        self._gradients.append(gradient)
        self._slots.append(slot)
        return direction

    def backward_step(self, upstream: Tensor) -> Tensor:
        kernel = self._kernel
        if not self._gradients:
            raise ValueError("backward_step needs a step that was not gone back yet")
        upstream = check_tensor("upstream", upstream, self.shape, kernel.dtype, CPU).contiguous()
        if self._adjoint is None:
            self._end_state = self._read_state()
            self._adjoint = self._take_slot().zero_()

        gradient = self._gradients.pop()
        after = self._slots.pop()
        gradient_adjoint = torch.empty_like(gradient)
        kernel.library.tape_backward_step(
            self._layout.address,
            kernel.theta.data_ptr(),
            gradient.data_ptr(),
            self._slots[-1].data_ptr(),
            after.data_ptr(),
            upstream.data_ptr(),
            self._adjoint.data_ptr(),
            gradient_adjoint.data_ptr(),
            self._totals.data_ptr(),
        )
        POOL.give_back([after])
        return gradient_adjoint


class FusedTensorTape:
    """One period with every gradient a constant; see `hyperadam.kernels.Tape`."""

    def __init__(self, kernel: TensorKernel, state: Any) -> None:
        self._kernel = kernel
        self._inner = FusedTensorStepwiseTape(kernel, state)
        self._directions: list[Tensor] = []

    @property
    def state(self) -> HyperAdamTensorState:
        return self._inner.state

    def step(self, gradient: Tensor) -> Tensor:
        direction = self._inner.step(gradient)
        self._directions.append(direction)
        return direction

    def backward(self, upstream: Tensor) -> Tensor:
        check_upstream(upstream, self._directions)
        for each in reversed(upstream.detach().to(self._kernel.dtype)):
            self._inner.backward_step(each)
        self._directions = []
        return self._inner.theta_gradients.sum(0)

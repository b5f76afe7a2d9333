"""Single steps of the rule whose cells are a tensor's, on the CPU, in one pass over all
coordinates.

All of a step is in `native/tensor.c`, on the calling thread.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import torch
from torch import Tensor

from hyperadam.kernels.checks import check_tensor
from hyperadam.kernels.tensor_library import (
    CPU,
    MOVING_FIELDS,
    TensorKernel,
    TensorLayout,
    check_tensor_state,
    choose_tensor_kernel,
)
from hyperadam.rules import HyperAdamTensorState, Rule

_Addresses: Final = ctypes.c_void_p * len(MOVING_FIELDS)


def open_tensor_stepper(rule: Rule[Any], theta: Tensor) -> FusedTensorStepper | None:
    """A stepper, or None where plain torch has to run."""
    kernel = choose_tensor_kernel(rule, theta)
    return None if kernel is None else FusedTensorStepper(kernel)


class FusedTensorStepper:
    """Single steps; see `hyperadam.kernels.Stepper`. A state in bfloat16 is widened as a whole."""

    def __init__(self, kernel: TensorKernel) -> None:
        self._kernel = kernel

    @torch.no_grad()
    def step(
        self, gradient: Tensor, state: Any, *, out_state: Any = None, out: Tensor | None = None
    ) -> tuple[Tensor, HyperAdamTensorState]:
        kernel = self._kernel
        shape = tuple(gradient.shape)
        gradient = check_tensor("gradient", gradient, shape, kernel.dtype, CPU).contiguous()
        stored = state[0].dtype
        wide = check_tensor_state(kernel, kernel.rule.cast_state(state, kernel.dtype), shape)
        direction = torch.empty_like(gradient) if out is None else out
        if not direction.is_contiguous():
            raise ValueError("out must be contiguous")
        check_tensor("out", direction, shape, kernel.dtype, CPU)

        layout = TensorLayout(kernel, shape, wide)
        new_state = self._make_room(wide, out_state)
        kernel.library.step(
            layout.address,
            kernel.theta.data_ptr(),
            gradient.data_ptr(),
            _list_fields(wide),
            _list_fields(new_state),
            direction.data_ptr(),
        )
        if out_state is None:
            return direction, kernel.rule.cast_state(new_state, stored)
        for target, field in zip(out_state, new_state, strict=True):
            if target is not field:
                target.copy_(field)
        return direction, out_state

    def _make_room(
        self, wide: HyperAdamTensorState, out_state: HyperAdamTensorState | None
    ) -> HyperAdamTensorState:
        """Where the new state is written to: what was told, where that takes no copy, else new
        memory. Fields that no step changes are those of `wide`."""
        room: dict[str, Tensor] = {}
        for name in MOVING_FIELDS:
            field: Tensor = getattr(wide, name)
            target: Tensor | None = getattr(out_state, name, None)
            if target is None or not _may_write(target, field):
                target = torch.empty_like(field)
            room[name] = target
        return wide._replace(**room)


def _may_write(target: Tensor, field: Tensor) -> bool:
    return target.dtype == field.dtype and target.shape == field.shape and target.is_contiguous()


def _list_fields(state: HyperAdamTensorState) -> Any:
    """`TensorState` of tensor_cells.h."""
    return _Addresses(*(getattr(state, name).data_ptr() for name in MOVING_FIELDS))

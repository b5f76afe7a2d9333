"""Whole steps of an optimizer of the rule whose cells are a tensor's, on the CPU: straight on
parameters, gradients and state, in one pass and without memory for directions.

    d, state ← update(Θ, g, state)        w ← (1 − α_t λ) w − α_t share d

It is `FusedTensorStepper` and `hyperadam.moves.move_parameters` in one. The pass is cut into
segments that threads share; the number of threads does not change a bit.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from hyperadam.kernels.checks import check_tensor
from hyperadam.kernels.tensor_library import (
    CPU,
    MOVING_FIELDS,
    TensorKernel,
    TensorLayout,
    choose_tensor_kernel,
    field_shapes,
)
from hyperadam.kernels.threads import run_ranges
from hyperadam.rules import HyperAdamTensorState, Rule

_POINTER: Final = ctypes.c_void_p


class MoveArguments(ctypes.Structure):
    """`Move` of tensor_move.c."""

    _fields_ = (
        ("segment_tensors", _POINTER),
        ("segment_begins", _POINTER),
        ("tensor_begins", _POINTER),
        ("gradients", _POINTER),
        ("parameters", _POINTER),
        ("rates", _POINTER),
        ("retentions", _POINTER),
        ("n_segments", ctypes.c_int64),
        ("bf16_state", ctypes.c_int64),
    )


class Pace(NamedTuple):
    """How far parameters go."""

    rates: Sequence[float]
    """α_t share of each parameter."""
    retentions: Sequence[float]
    """1 − α_t λ of each: what weight decay leaves."""


def open_tensor_mover(rule: Rule[Any], theta: Tensor) -> FusedTensorMover | None:
    """A mover, or None where there is none: other rules, devices and dtypes, no compiler, or
    `HYPERADAM_KERNEL=off`."""
    kernel = choose_tensor_kernel(rule, theta)
    return None if kernel is None else FusedTensorMover(kernel)


class FusedTensorMover:
    """Moves parameters of Θ's dtype and their state."""

    def __init__(self, kernel: TensorKernel) -> None:
        self._kernel = kernel
        self._plan: MovePlan | None = None

    def fits(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> bool:
        """Whether all of them are plain tensors on the CPU, of Θ's dtype, without gaps, and no
        change of sign is put off of a gradient."""
        dtype = self._kernel.dtype
        return all(
            type(tensor) in (nn.Parameter, Tensor)
            and tensor.dtype == dtype
            and tensor.device == CPU
            and tensor.is_contiguous()
            for tensor in (*parameters, *gradients)
        ) and not any(gradient.is_neg() for gradient in gradients)

    def measure_norm(self, gradients: Sequence[Tensor]) -> float:
        """Euclidean, over all of them; not finite if any coordinate is not, or if its square
        overflows the dtype."""
        lengths = (ctypes.c_int64 * len(gradients))(*(tensor.numel() for tensor in gradients))
        norm = self._kernel.library.norm(lengths, _list_addresses(gradients), len(gradients))
        return float(norm)

    def move(
        self,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        state: HyperAdamTensorState,
        pace: Pace,
    ) -> None:
        """One step, in place, of what `fits`.

        Args:
            parameters: w; moved.
            gradients: g, of the same shapes.
            state: over all coordinates, parameter after parameter; moved. Its moments may be in
                bfloat16.
            pace: see `Pace`.

        Raises:
            ValueError: the state is not one of these parameters, or has gaps.
        """
        if self._plan is None or not self._plan.fits(parameters, state):
            self._plan = MovePlan(self._kernel, parameters, state)
        self._plan.run(parameters, gradients, pace)


class MovePlan:
    """What stays from step to step as long as the same parameters move."""

    def __init__(
        self, kernel: TensorKernel, parameters: Sequence[Tensor], state: HyperAdamTensorState
    ) -> None:
        self._kernel = kernel
        self._state = state
        self._sizes = [parameter.numel() for parameter in parameters]
        stored = check_moving_state(kernel, state, sum(self._sizes))
        self._layout = TensorLayout(kernel, (sum(self._sizes),), state)
        if self._layout.lengths != self._sizes:
            raise ValueError(
                f"state is of tensors of {self._layout.lengths} coordinates, "
                f"parameters have {self._sizes}"
            )
        library = kernel.library
        sizes = torch.tensor(self._sizes, dtype=torch.int64)
        counts = -(-sizes // library.segment)
        numbers = torch.arange(int(counts.sum()))
        tensors = torch.repeat_interleave(torch.arange(len(sizes)), counts)
        first_of_tensor = counts.cumsum(0) - counts
        begins = (numbers - first_of_tensor[tensors]) * library.segment
        self._kept = [tensors, begins, sizes.cumsum(0) - sizes]
        self._sums = torch.empty(len(numbers), library.n_sums).double()
        n_bytes = library.move_workspace(len(sizes))
        self._workspace = torch.empty(n_bytes, dtype=torch.uint8)
        self._fields = (_POINTER * len(MOVING_FIELDS))(
            *(getattr(state, name).data_ptr() for name in MOVING_FIELDS)
        )
        self._arguments = MoveArguments(
            *(array.data_ptr() for array in self._kept),
            n_segments=len(numbers),
            bf16_state=stored == torch.bfloat16,
        )

    def fits(self, parameters: Sequence[Tensor], state: HyperAdamTensorState) -> bool:
        """Whether it is the plan of this very state, for parameters of the same sizes."""
        same_state = state is self._state
        return same_state and self._sizes == [parameter.numel() for parameter in parameters]

    def run(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], pace: Pace) -> None:
        library = self._kernel.library
        arguments = self._arguments
        doubles = ctypes.c_double * len(parameters)
        read = [
            _list_addresses(gradients),
            _list_addresses(parameters),
            doubles(*pace.rates),
            doubles(*pace.retentions),
        ]
        names = ("gradients", "parameters", "rates", "retentions")
        for name, array in zip(names, read, strict=True):
            setattr(arguments, name, ctypes.addressof(array))

        move = ctypes.byref(arguments)
        workspace = self._workspace.data_ptr()
        sums = self._sums.data_ptr()
        library.move_prepare(
            self._layout.address, self._kernel.theta.data_ptr(), self._fields, move, workspace
        )

        def move_segments(_: int, first: int, last: int) -> None:
            library.move_segments(
                self._layout.address, self._fields, move, workspace, sums, first, last
            )

        run_ranges(len(self._sums), torch.get_num_threads(), move_segments)
        library.move_finish(self._layout.address, self._fields, move, workspace, sums)


def check_moving_state(kernel: TensorKernel, state: HyperAdamTensorState, p: int) -> torch.dtype:
    """What the moments are stored in.

    Raises:
        ValueError: a field is of another shape, dtype or device, or has gaps; names the field.
    """
    stored = state.m.dtype
    if stored != torch.bfloat16:
        stored = kernel.dtype
    shapes = field_shapes(kernel.rule, (p,), state.length.shape[-1], state._fields)
    for name, field in zip(state._fields, state, strict=True):
        dtype = stored if name in ("m", "v") else kernel.dtype
        check_tensor(f"state.{name}", field, shapes[name], dtype, CPU)
        if name in MOVING_FIELDS and not field.is_contiguous():
            raise ValueError(f"state.{name} must be contiguous to be written to")
    return stored


def _list_addresses(tensors: Sequence[Tensor]) -> Any:
    return (_POINTER * len(tensors))(*(tensor.data_ptr() for tensor in tensors))

"""HyperAdam's cell on the CPU, fused: a tape and a stepper over the compiled library.

Meta-training runs on the calling thread. The stepper spreads blocks over `torch.get_num_threads()`
threads; sums are made per block and added in block order, so the number of threads does not change
a bit of the result.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

import torch
from torch import Tensor

from hyperadam import settings
from hyperadam.kernels.checks import checked, checked_state, checked_targets, stored_dtype
from hyperadam.kernels.library import CellArguments, Library, load_library, pointers
from hyperadam.kernels.pool import POOL
from hyperadam.kernels.reference import check_upstream
from hyperadam.kernels.threads import run_ranges
from hyperadam.rules import HyperAdamRule, HyperAdamState, Rule

SMALLEST_EPSILON: Final = 1e-30
"""Below it, approximate reciprocals in float32 would leave their range."""
_DTYPES: Final = (torch.float32, torch.float64)
CPU: Final = torch.device("cpu")


@dataclass(frozen=True)
class Kernel:
    """A rule and the library that runs it."""

    rule: HyperAdamRule
    library: Library

    @property
    def n_scales(self) -> int:
        """Norms of one learner and step: of the gradient, of s_t, of m_{t−1}."""
        return 1 + 2 * self.rule.spec.n_candidates


def kernel_for(rule: Rule[Any], theta: Tensor) -> Kernel | None:
    """The kernel, or None where plain torch has to run.

    That is: other rules, the ablations and `normalize_lstm`, other devices and dtypes,
    `HYPERADAM_KERNEL=off`, and machines without a compiler.
    """
    if (
        theta.device.type != "cpu"
        or not is_fused(rule, theta.dtype)
        or settings.kernel_choice() == "off"
    ):
        return None
    library = load_library(rule.spec.n_candidates, theta.dtype)
    return None if library is None else Kernel(rule, library)


def is_fused(rule: Rule[Any], dtype: torch.dtype) -> TypeGuard[HyperAdamRule]:
    """Whether kernels can run the rule at all, on whatever device."""
    if not isinstance(rule, HyperAdamRule) or dtype not in _DTYPES:
        return False
    spec = rule.spec
    return (
        spec.preprocessing
        and spec.lstm
        and not spec.normalize_lstm
        and spec.epsilon >= SMALLEST_EPSILON
    )


@dataclass(frozen=True)
class _Layout:
    """The shape of one call: `*batch` learners of p coordinates, in blocks."""

    shape: tuple[int, ...]
    n_learners: int
    n_blocks: int
    state_dtype: torch.dtype
    problem: CellArguments

    @classmethod
    def of(cls, kernel: Kernel, shape: torch.Size, state_dtype: torch.dtype) -> _Layout:
        if not shape or shape[-1] < 1:
            raise ValueError(
                f"gradient must have coordinates in its last dimension, got shape {tuple(shape)}"
            )
        n_learners, p = shape[:-1].numel(), shape[-1]
        n_blocks = n_learners * -(-p // kernel.library.block_size)
        problem = CellArguments.of(
            kernel.rule.spec, n_learners, p, bf16_state=state_dtype == torch.bfloat16
        )
        return cls(tuple(shape), n_learners, n_blocks, state_dtype, problem)

    def fits(self, shape: torch.Size, state_dtype: torch.dtype) -> bool:
        return self.shape == tuple(shape) and self.state_dtype == state_dtype

    @property
    def address(self) -> Any:
        return ctypes.byref(self.problem)


def _checked_theta(kernel: Kernel, theta: Tensor) -> Tensor:
    return checked("theta", theta, (kernel.rule.n_theta,), kernel.library.dtype, CPU).contiguous()


class FusedTape:
    """One period; see `hyperadam.kernels.Tape`. Keeps 6 J numbers a coordinate and step; the rest
    is computed again."""

    def __init__(self, kernel: Kernel, theta: Tensor, state: Any) -> None:
        self._kernel, self._library = kernel, kernel.library
        self._theta = _checked_theta(kernel, theta).clone()
        library = self._library
        self._layout = layout = _Layout.of(kernel, state[0].shape[1:], library.dtype)
        checked_fields = checked_state(
            "state", state, library.n_candidates, layout.shape, library.dtype, CPU
        )
        fields = [field.contiguous() for field in checked_fields]
        self._sums = torch.empty(layout.n_blocks * 2 * library.n_candidates, dtype=torch.float64)
        self._workspace = library.buffer(library.forward_workspace)
        self._slots = [self._slot()]
        self._gradients: list[Tensor] = []
        self._scales: list[Tensor] = []
        self._directions: list[Tensor] = []
        library.tape_load(layout.address, pointers(fields), self._slots[0].data_ptr())

    def _slot(self) -> Tensor:
        per_coordinate = self._library.n_candidates * len(HyperAdamState._fields)
        return POOL.take(
            self._layout.n_blocks * self._library.block_size * per_coordinate, self._library.dtype
        )

    @property
    def state(self) -> HyperAdamState:
        fields = [
            self._library.buffer(self._library.n_candidates, *self._layout.shape)
            for _ in HyperAdamState._fields
        ]
        self._library.tape_unload(
            self._layout.address, self._slots[-1].data_ptr(), pointers(fields)
        )
        return HyperAdamState(*fields)

    def step(self, gradient: Tensor) -> Tensor:
        layout, library = self._layout, self._library
        gradient = checked("gradient", gradient, layout.shape, library.dtype, CPU).contiguous()
        self._gradients.append(library.buffer(layout.n_blocks * library.block_size))
        self._scales.append(library.buffer(layout.n_learners * self._kernel.n_scales))
        self._slots.append(self._slot())
        direction = library.buffer(*layout.shape)
        library.tape_step(
            layout.address,
            self._theta.data_ptr(),
            gradient.data_ptr(),
            self._gradients[-1].data_ptr(),
            self._slots[-2].data_ptr(),
            self._slots[-1].data_ptr(),
            self._scales[-1].data_ptr(),
            direction.data_ptr(),
            self._sums.data_ptr(),
            self._workspace.data_ptr(),
        )
        self._directions.append(direction)
        return direction

    def backward(self, upstream: Tensor) -> Tensor:
        check_upstream(upstream, self._directions)
        layout, library = self._layout, self._library
        upstream = upstream.detach().to(library.dtype).contiguous()
        adjoint = self._slot().zero_()
        total = torch.zeros(self._kernel.rule.n_theta, dtype=torch.float64)
        corrections = library.buffer(layout.n_learners * 2 * library.n_candidates)
        workspace = library.buffer(library.backward_workspace)
        library.tape_backward(
            layout.address,
            self._theta.data_ptr(),
            len(self._directions),
            pointers(self._slots),
            pointers(self._gradients),
            pointers(self._scales),
            upstream.data_ptr(),
            adjoint.data_ptr(),
            self._sums.data_ptr(),
            corrections.data_ptr(),
            total.data_ptr(),
            workspace.data_ptr(),
        )
        POOL.give_back([adjoint, *self._slots[:-1]])
        self._slots, self._directions = self._slots[-1:], []
        return total.to(library.dtype)


class FusedStepper:
    """Single steps; see `hyperadam.kernels.Stepper`. With `out` and `out_state` given, a step
    allocates nothing.

    A state in bfloat16 is widened block by block and rounded to nearest when it is written; all
    arithmetic is in the dtype of Θ. The hidden state is rounded before it is read by the second
    pass, unlike in `ReferenceStepper`.
    """

    def __init__(self, kernel: Kernel, theta: Tensor) -> None:
        self._kernel, self._library = kernel, kernel.library
        self._theta = _checked_theta(kernel, theta).clone()
        self._layout: _Layout | None = None
        self._workspaces: list[Tensor] = []

    def _prepare(self, shape: torch.Size, state_dtype: torch.dtype) -> _Layout:
        """Buffers for one shape; the same ones as long as the shape stays."""
        if self._layout is None or not self._layout.fits(shape, state_dtype):
            self._layout = _Layout.of(self._kernel, shape, state_dtype)
            self._sums = torch.empty(
                self._layout.n_blocks * 2 * self._library.n_candidates, dtype=torch.float64
            )
            self._scales = self._library.buffer(self._layout.n_learners * self._kernel.n_scales)
        while len(self._workspaces) < torch.get_num_threads():
            self._workspaces.append(self._library.buffer(self._library.forward_workspace))
        return self._layout

    def step(
        self, gradient: Tensor, state: Any, *, out_state: Any = None, out: Tensor | None = None
    ) -> tuple[Tensor, HyperAdamState]:
        library = self._library
        layout = self._prepare(gradient.shape, stored_dtype(state, library.dtype))
        gradient = checked("gradient", gradient, layout.shape, library.dtype, CPU).contiguous()
        fields = HyperAdamState(
            *(field.contiguous() for field in self._checked_state("state", state, layout))
        )
        if out_state is None:
            out_state = HyperAdamState(*(torch.empty_like(field) for field in fields))
        if out is None:
            out = torch.empty_like(gradient)
        target = checked("out", out, layout.shape, library.dtype, CPU)
        targets = self._checked_state("out_state", out_state, layout)
        checked_targets(target, targets)
        self._run(layout, gradient, pointers(fields), pointers(targets), target)
        return out, out_state

    def _checked_state(self, name: str, state: Any, layout: _Layout) -> HyperAdamState:
        return checked_state(
            name, state, self._library.n_candidates, layout.shape, layout.state_dtype, CPU
        )

    def _run(
        self, layout: _Layout, gradient: Tensor, fields: Any, out: Any, direction: Tensor
    ) -> None:
        library, theta, g = self._library, self._theta.data_ptr(), gradient.data_ptr()
        scales, sums = self._scales.data_ptr(), self._sums.data_ptr()
        workspaces = [workspace.data_ptr() for workspace in self._workspaces]
        library.gradient_scales(layout.address, g, sums, scales, workspaces[0])
        run_ranges(
            layout.n_blocks,
            torch.get_num_threads(),
            lambda thread, begin, end: library.first_pass(
                layout.address, theta, g, scales, fields, out, sums, workspaces[thread], begin, end
            ),
        )
        library.state_scales(layout.address, sums, scales)
        run_ranges(
            layout.n_blocks,
            torch.get_num_threads(),
            lambda thread, begin, end: library.second_pass(
                layout.address,
                theta,
                g,
                scales,
                fields,
                out,
                direction.data_ptr(),
                workspaces[thread],
                begin,
                end,
            ),
        )

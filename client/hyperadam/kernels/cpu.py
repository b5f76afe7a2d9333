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
from hyperadam.kernels.checks import StepShape, StepTensors, check_tensor, read_stored_dtype
from hyperadam.kernels.library import CellArguments, Library, list_addresses, load_library
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

    def check_theta(self, theta: Tensor) -> Tensor:
        """A copy of Θ.

        Raises:
            ValueError: its shape, dtype or device is another.
        """
        shape = (self.rule.n_theta,)
        return check_tensor("theta", theta, shape, self.library.dtype, CPU).contiguous().clone()

    def make_sums(self, n_blocks: int) -> Tensor:
        """For each block's sums of s_t and of m_{t−1}."""
        return torch.empty(n_blocks * 2 * self.rule.spec.n_candidates, dtype=torch.float64)


def choose_kernel(rule: Rule[Any], theta: Tensor) -> Kernel | None:
    """The kernel, or None where plain torch has to run.

    That is: other rules, the ablations and `normalize_lstm`, other devices and dtypes,
    `HYPERADAM_KERNEL=off`, and machines without a compiler.
    """
    if theta.device.type != "cpu" or not is_fused(rule, theta.dtype):
        return None
    if settings.read_kernel_choice() == "off":
        return None
    library = load_library(rule.spec.n_candidates, theta.dtype)
    return None if library is None else Kernel(rule, library)


def is_fused(rule: Rule[Any], dtype: torch.dtype) -> TypeGuard[HyperAdamRule]:
    """Whether kernels can run the rule at all, on whatever device."""
    if not isinstance(rule, HyperAdamRule) or rule.sums is not None or dtype not in _DTYPES:
        return False
    spec = rule.spec
    is_usual_cell = spec.preprocessing and spec.lstm and not spec.normalize_lstm
    return is_usual_cell and spec.epsilon >= SMALLEST_EPSILON


@dataclass(frozen=True)
class Layout:
    """Learners of one shape, cut into blocks, as the library's functions are told of them."""

    step: StepShape
    state_dtype: torch.dtype
    n_blocks: int
    arguments: CellArguments

    @classmethod
    def of(cls, kernel: Kernel, shape: torch.Size, state_dtype: torch.dtype) -> Layout:
        library = kernel.library
        step = StepShape(library.n_candidates, tuple(shape), library.dtype, CPU)
        blocks_of_a_learner = -(-step.p // library.block_size)
        arguments = CellArguments.of(
            kernel.rule.spec,
            step.n_learners,
            step.p,
            bf16_state=state_dtype == torch.bfloat16,
        )
        return cls(step, state_dtype, step.n_learners * blocks_of_a_learner, arguments)

    @property
    def n_learners(self) -> int:
        return self.step.n_learners

    @property
    def shape(self) -> tuple[int, ...]:
        return self.step.shape

    def fits(self, shape: torch.Size, state_dtype: torch.dtype) -> bool:
        return self.shape == tuple(shape) and self.state_dtype == state_dtype

    @property
    def address(self) -> Any:
        return ctypes.byref(self.arguments)


class FusedTape:
    """One period; see `hyperadam.kernels.Tape`. Keeps 6 J numbers a coordinate and step; the rest
    is computed again."""

    def __init__(self, kernel: Kernel, theta: Tensor, state: Any) -> None:
        library = kernel.library
        self._kernel = kernel
        self._library = library
        self._theta = kernel.check_theta(theta)
        self._layout = Layout.of(kernel, state[0].shape[1:], library.dtype)
        fields = self._layout.step.check_state("state", state)
        self._sums = kernel.make_sums(self._layout.n_blocks)
        self._workspace = library.make_buffer(library.forward_workspace)
        self._slots = [self._take_slot()]
        self._gradients: list[Tensor] = []
        self._scales: list[Tensor] = []
        self._directions: list[Tensor] = []
        library.tape_load(
            self._layout.address,
            list_addresses([field.contiguous() for field in fields]),
            self._slots[0].data_ptr(),
        )

    def _take_slot(self) -> Tensor:
        """Memory for a state, block by block."""
        numbers_a_coordinate = self._library.n_candidates * len(HyperAdamState._fields)
        n_coordinates = self._layout.n_blocks * self._library.block_size
        return POOL.take(n_coordinates * numbers_a_coordinate, self._library.dtype)

    @property
    def state(self) -> HyperAdamState:
        library = self._library
        fields = [
            library.make_buffer(library.n_candidates, *self._layout.shape)
            for _ in HyperAdamState._fields
        ]
        library.tape_unload(
            self._layout.address, self._slots[-1].data_ptr(), list_addresses(fields)
        )
        return HyperAdamState(*fields)

    def step(self, gradient: Tensor) -> Tensor:
        layout = self._layout
        library = self._library
        gradient = layout.step.check_direction("gradient", gradient).contiguous()
        self._gradients.append(library.make_buffer(layout.n_blocks * library.block_size))
        self._scales.append(library.make_buffer(layout.n_learners * self._kernel.n_scales))
        self._slots.append(self._take_slot())
        direction = library.make_buffer(*layout.shape)
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
        layout = self._layout
        library = self._library
        upstream = upstream.detach().to(library.dtype).contiguous()
        adjoint = self._take_slot().zero_()
        total = torch.zeros(self._kernel.rule.n_theta, dtype=torch.float64)
        corrections = library.make_buffer(layout.n_learners * 2 * library.n_candidates)
        workspace = library.make_buffer(library.backward_workspace)
        library.tape_backward(
            layout.address,
            self._theta.data_ptr(),
            len(self._directions),
            list_addresses(self._slots),
            list_addresses(self._gradients),
            list_addresses(self._scales),
            upstream.data_ptr(),
            adjoint.data_ptr(),
            self._sums.data_ptr(),
            corrections.data_ptr(),
            total.data_ptr(),
            workspace.data_ptr(),
        )
        POOL.give_back([adjoint, *self._slots[:-1]])
        self._slots = self._slots[-1:]
        self._directions = []
        return total.to(library.dtype)


class FusedStepper:
    """Single steps; see `hyperadam.kernels.Stepper`. With `out` and `out_state` given, a step
    allocates nothing.

    A state in bfloat16 is widened block by block and rounded to nearest when it is written; all
    arithmetic is in the dtype of Θ. The hidden state is rounded before it is read by the second
    pass, unlike in `ReferenceStepper`.
    """

    def __init__(self, kernel: Kernel, theta: Tensor) -> None:
        self._kernel = kernel
        self._library = kernel.library
        self._theta = kernel.check_theta(theta)
        self._layout: Layout | None = None
        self._workspaces: list[Tensor] = []

    def _prepare(self, shape: torch.Size, state_dtype: torch.dtype) -> Layout:
        """Buffers for one shape; the same ones as long as the shape stays."""
        library = self._library
        if self._layout is None or not self._layout.fits(shape, state_dtype):
            self._layout = Layout.of(self._kernel, shape, state_dtype)
            self._sums = self._kernel.make_sums(self._layout.n_blocks)
            self._scales = library.make_buffer(self._layout.n_learners * self._kernel.n_scales)
        while len(self._workspaces) < torch.get_num_threads():
            self._workspaces.append(library.make_buffer(library.forward_workspace))
        return self._layout

    def step(
        self, gradient: Tensor, state: Any, *, out_state: Any = None, out: Tensor | None = None
    ) -> tuple[Tensor, HyperAdamState]:
        layout = self._prepare(gradient.shape, read_stored_dtype(state, self._library.dtype))
        tensors = layout.step.check_step(gradient, state, out, out_state)
        self._run(layout, tensors)
        return tensors.out, tensors.out_state

    def _run(self, layout: Layout, tensors: StepTensors) -> None:
        """The two passes, each over all blocks, with the norms before either."""
        library = self._library
        theta = self._theta.data_ptr()
        gradient = tensors.gradient.data_ptr()
        fields = list_addresses(tensors.state)
        new_fields = list_addresses(tensors.out_state)
        direction = tensors.out.data_ptr()
        scales = self._scales.data_ptr()
        sums = self._sums.data_ptr()
        workspaces = [workspace.data_ptr() for workspace in self._workspaces]

        def run_first_pass(thread: int, begin: int, end: int) -> None:
            library.first_pass(
                layout.address,
                theta,
                gradient,
                scales,
                fields,
                new_fields,
                sums,
                workspaces[thread],
                begin,
                end,
            )

        def run_second_pass(thread: int, begin: int, end: int) -> None:
            library.second_pass(
                layout.address,
                theta,
                gradient,
                scales,
                fields,
                new_fields,
                direction,
                workspaces[thread],
                begin,
                end,
            )

        library.gradient_scales(layout.address, gradient, sums, scales, workspaces[0])
        run_ranges(layout.n_blocks, torch.get_num_threads(), run_first_pass)
        library.state_scales(layout.address, sums, scales)
        run_ranges(layout.n_blocks, torch.get_num_threads(), run_second_pass)

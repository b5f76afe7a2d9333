"""HyperAdam's cell on CUDA devices, fused: a tape and a stepper over the Triton kernels of
`triton_cell`.

The twin of `hyperadam.kernels.cpu`, behind the same contract and held to the same tests. Triton
comes with torch's CUDA builds; without it, plain torch runs on the device. Where there is no GPU,
the kernels can be run by Triton's interpreter (`TRITON_INTERPRET=1`), on tensors in ordinary
memory: that is how they are tested.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from hyperadam import settings
from hyperadam.kernels.checks import StepShape, check_tensor
from hyperadam.kernels.cpu import is_fused
from hyperadam.kernels.reference import check_upstream
from hyperadam.kernels.triton_cell.arguments import TapeStep
from hyperadam.rules import HyperAdamRule, HyperAdamState, Rule

if TYPE_CHECKING:
    from hyperadam.kernels.triton_cell.launcher import CellLauncher

LARGEST_J: Final = 32
"""More candidates would make tiles that no processor of a GPU holds."""
_LOG: Final = logging.getLogger("hyperadam")


@dataclass(frozen=True)
class Kernel:
    """A rule, and where and in which dtype it runs."""

    rule: HyperAdamRule
    dtype: torch.dtype
    device: torch.device

    def check_theta(self, theta: Tensor) -> Tensor:
        """A copy of Θ.

        Raises:
            ValueError: its shape, dtype or device is another.
        """
        shape = (self.rule.n_theta,)
        return check_tensor("theta", theta, shape, self.dtype, self.device).clone()

    def open_launcher(self, theta: Tensor, shape: torch.Size) -> CellLauncher:
        """The kernels for learners of one shape, `(*batch, p)`."""
        from hyperadam.kernels.triton_cell.launcher import CellLauncher

        n_candidates = self.rule.spec.n_candidates
        step_shape = StepShape(n_candidates, tuple(shape), self.dtype, self.device)
        return CellLauncher(self.rule, theta, step_shape)


def choose_kernel(rule: Rule[Any], theta: Tensor) -> Kernel | None:
    """The kernel, or None where plain torch has to run.

    That is: other rules, specs and dtypes, as on the CPU; more candidates than `LARGEST_J`; no
    Triton.
    """
    if theta.device.type != "cuda" or not is_fused(rule, theta.dtype):
        return None
    if settings.read_kernel_choice() == "off":
        return None
    if rule.spec.n_candidates > LARGEST_J or not has_triton():
        return None
    return Kernel(rule, theta.dtype, theta.device)


@cache
def has_triton() -> bool:
    """Whether it can be imported; that it cannot is logged once."""
    try:
        import triton  # noqa: F401
    except ImportError as error:
        _LOG.warning(
            "The fused kernel is not available, plain torch is used instead "
            "(same results, slower): %s",
            error,
        )
        return False
    return True


class FusedTape:
    """One period; see `hyperadam.kernels.Tape`. Keeps 6 J numbers a coordinate and step; the rest
    is computed again."""

    def __init__(self, kernel: Kernel, theta: Tensor, state: Any) -> None:
        theta = kernel.check_theta(theta)
        self._dtype = kernel.dtype
        self._launcher = kernel.open_launcher(theta, state[0].shape[1:])
        fields = self._launcher.shape.check_state("state", state)
        self._state = _copy_state(fields)
        self._steps: list[TapeStep] = []
        self._directions: list[Tensor] = []

    @property
    def state(self) -> HyperAdamState:
        return _copy_state(self._state)

    def step(self, gradient: Tensor) -> Tensor:
        launcher = self._launcher
        gradient = launcher.shape.check_direction("gradient", gradient).contiguous().clone()
        old_state = self._state
        new_state = HyperAdamState(*(torch.empty_like(field) for field in old_state))
        direction = torch.empty_like(gradient)
        scales = launcher.make_scales()
        launcher.step(gradient, old_state, new_state, direction, scales)

        self._state = new_state
        self._steps.append(TapeStep(gradient, old_state, new_state.hidden, scales))
        self._directions.append(direction)
        return direction

    def backward(self, upstream: Tensor) -> Tensor:
        check_upstream(upstream, self._directions)
        upstream = upstream.detach().to(self._dtype).contiguous()
        total = self._launcher.backward(self._steps, upstream)
        self._steps = []
        self._directions = []
        return total.to(self._dtype)


class FusedStepper:
    """Single steps; see `hyperadam.kernels.Stepper`. With `out` and `out_state` given, a step
    allocates nothing.

    A state in bfloat16 is widened tile by tile, as by `hyperadam.kernels.cpu.FusedStepper`.
    """

    def __init__(self, kernel: Kernel, theta: Tensor) -> None:
        self._kernel = kernel
        self._theta = kernel.check_theta(theta)
        self._launcher: CellLauncher | None = None

    def _prepare(self, shape: torch.Size) -> CellLauncher:
        """The launcher for one shape; the same one as long as the shape stays."""
        if self._launcher is None or self._launcher.shape.shape != tuple(shape):
            self._launcher = self._kernel.open_launcher(self._theta, shape)
            self._scales = self._launcher.make_scales()
        return self._launcher

    def step(
        self, gradient: Tensor, state: Any, *, out_state: Any = None, out: Tensor | None = None
    ) -> tuple[Tensor, HyperAdamState]:
        launcher = self._prepare(gradient.shape)
        tensors = launcher.shape.check_step(gradient, state, out, out_state)
        launcher.step(tensors.gradient, tensors.state, tensors.out_state, tensors.out, self._scales)
        return tensors.out, tensors.out_state


def _copy_state(state: HyperAdamState) -> HyperAdamState:
    """A copy whose fields are contiguous."""
    return HyperAdamState(*(field.clone(memory_format=torch.contiguous_format) for field in state))

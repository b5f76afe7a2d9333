"""The same rules, faster: fused kernels behind one small contract, with plain torch wherever a
kernel cannot run.

A *tape* records one period of meta-training and differentiates it; a *stepper* runs single steps
for the optimizers. Callers never ask which implementation they got: `open_tape` and `open_stepper`
choose by rule, dtype and device.

    tape = open_tape(rule, theta, state)            d_t, state = update(Θ, g_t, state), detached
    for ...: w = w - lr * tape.step(gradient(w))
    theta_grad = tape.backward(upstream)            ∂ Σ_t ⟨upstream_t, d_t⟩ / ∂Θ
    state = tape.state                              for the next period
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from hyperadam.kernels import cpu, gpu
from hyperadam.kernels.blockwise import BlockwiseStepper
from hyperadam.kernels.cpu_tensor import open_tensor_stepper
from hyperadam.kernels.cpu_tensor_move import Pace, open_tensor_mover
from hyperadam.kernels.cpu_tensor_tape import FusedTensorTape
from hyperadam.kernels.gpu_tensor import FusedGPUTensorStepper, fuse_on_gpu
from hyperadam.kernels.library import load_library
from hyperadam.kernels.limits import KernelLimits, LimitedStepper, LimitedTape
from hyperadam.kernels.reference import ReferenceStepper, ReferenceTape
from hyperadam.kernels.stepwise import (
    ReferenceStepwiseTape,
    StepwiseTape,
    open_stepwise_tape,
)
from hyperadam.kernels.tensor_library import choose_tensor_kernel, load_tensor_library
from hyperadam.rules import HyperAdamTensorRule, Rule

__all__ = [
    "Mover",
    "Pace",
    "ReferenceStepper",
    "ReferenceStepwiseTape",
    "ReferenceTape",
    "Stepper",
    "StepwiseTape",
    "Tape",
    "can_be_fused",
    "forget_libraries",
    "open_mover",
    "open_stepper",
    "open_stepwise_tape",
    "open_tape",
]


class Tape(Protocol):
    """One period. The state it starts from is a constant, and so is every gradient (first
    order)."""

    @property
    def state(self) -> Any:
        """The rule's state after the steps so far, detached; not changed by later steps."""

    def step(
        self,
        gradient: Tensor,  # shape: (*batch, p)
    ) -> Tensor:
        """The direction d_t, shape `(*batch, p)`, detached."""

    def backward(
        self,
        upstream: Tensor,  # shape: (steps, *batch, p)
    ) -> Tensor:
        """The gradient of Σ_t ⟨upstream_t, d_t⟩ with respect to Θ, shape `(n_theta,)`. Once, after
        the last step."""


class Stepper(Protocol):
    """Single steps without derivatives, for a fixed Θ.

    Gradients and directions are of Θ's dtype; so is the state, or all of it is bfloat16: half the
    memory, with the same arithmetic between reading and rounding.
    """

    def step(
        self,
        gradient: Tensor,  # shape: (*batch, p)
        state: Any,
        *,
        out_state: Any = None,
        out: Tensor | None = None,  # shape: (*batch, p)
    ) -> tuple[Tensor, Any]:
        """The direction and the new state, written to `out` and `out_state` if given
        (`out_state=state`: in place)."""


class Mover(Protocol):
    """Whole steps of an optimizer, straight on its parameters, for a fixed Θ."""

    def fits(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> bool:
        """Whether these can be moved so."""

    def measure_norm(self, gradients: Sequence[Tensor]) -> float:
        """Euclidean, over all of them; not finite if any coordinate is not, or if its square
        overflows the dtype."""

    def move(
        self,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        state: Any,
        pace: Pace,
    ) -> None:
        """w ← (1 − α_t λ) w − α_t share d, and the state's step, both in place; the state is over
        all coordinates, parameter after parameter."""


def open_tape(
    rule: Rule[Any],
    theta: Tensor,  # shape: (n_theta,)
    state: Any,
) -> Tape:
    """A tape that starts from `state`; Θ, state and gradients share dtype and device."""
    tensor_kernel = choose_tensor_kernel(rule, theta)
    if tensor_kernel is not None:
        return FusedTensorTape(tensor_kernel, state)
    fused_rule = fuse_on_gpu(rule, theta)
    if fused_rule is not None:
        return ReferenceTape(fused_rule, theta, state)

    fused = _open_fused_tape(rule, theta, state)
    if fused is None:
        return ReferenceTape(rule, theta, state)
    limits = KernelLimits.of(rule)
    return LimitedTape(fused, limits) if limits else fused


def open_stepper(
    rule: Rule[Any],
    theta: Tensor,  # shape: (n_theta,)
) -> Stepper:
    """A stepper for Θ, which is read once: open another one for another Θ."""
    tensor_stepper = open_tensor_stepper(rule, theta)
    if tensor_stepper is not None:
        return tensor_stepper
    fused_rule = fuse_on_gpu(rule, theta)
    if fused_rule is not None:
        return FusedGPUTensorStepper(fused_rule, theta)

    fused = _open_fused_stepper(rule, theta)
    if fused is None:
        is_pointwise = rule.is_pointwise
        return BlockwiseStepper(rule, theta) if is_pointwise else ReferenceStepper(rule, theta)
    limits = KernelLimits.of(rule)
    return LimitedStepper(fused, limits) if limits else fused


def open_mover(
    rule: Rule[Any],
    theta: Tensor,  # shape: (n_theta,)
) -> Mover | None:
    """A mover for Θ, or None where there is none: a stepper does the same then, beside
    `hyperadam.moves.move_parameters`."""
    return open_tensor_mover(rule, theta)


def can_be_fused(rule: Rule[Any]) -> bool:
    """Whether there is compiled code for the rule in float32, if not here, then where there is a
    compiler. Other rules run in plain torch everywhere."""
    return isinstance(rule, HyperAdamTensorRule) or cpu.is_fused(rule, torch.float32)


def forget_libraries() -> None:
    """Look for compiled libraries again: what could not be made here may be made by now."""
    load_library.cache_clear()
    load_tensor_library.cache_clear()


def _open_fused_tape(rule: Rule[Any], theta: Tensor, state: Any) -> Tape | None:
    cpu_kernel = cpu.choose_kernel(rule, theta)
    if cpu_kernel is not None:
        return cpu.FusedTape(cpu_kernel, theta, state)

    gpu_kernel = gpu.choose_kernel(rule, theta)
    if gpu_kernel is not None:
        return gpu.FusedTape(gpu_kernel, theta, state)

    return None


def _open_fused_stepper(rule: Rule[Any], theta: Tensor) -> Stepper | None:
    cpu_kernel = cpu.choose_kernel(rule, theta)
    if cpu_kernel is not None:
        return cpu.FusedStepper(cpu_kernel, theta)

    gpu_kernel = gpu.choose_kernel(rule, theta)
    if gpu_kernel is not None:
        return gpu.FusedStepper(gpu_kernel, theta)

    return None

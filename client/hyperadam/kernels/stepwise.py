"""Periods that are differentiated step by step, the last step first, down to the gradients: what
second order needs.

    d_t, state_t = update(Θ, g_t, state_{t−1})                                   t = 1 … S

A `Tape` takes ∂F/∂d_t of all steps at once, for it holds every g_t constant. In second order,
∂F/∂d_{t−1} depends on ∂F/∂g_t through the learner. So a stepwise tape goes back one step a call,
and gives ∂F/∂g_t each time; the adjoint of the state stays within it:

    (Θ̄, ḡ_t, state̅_{t−1}) = (∂(d_t, state_t) / ∂(Θ, g_t, state_{t−1}))ᵀ (d̄_t, state̅_t)

It keeps the states of all steps, and computes the rest of a step again when it goes back. ∂F/∂Θ is
known for every learner.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from hyperadam.kernels import cpu
from hyperadam.kernels.cpu_stepwise import FusedStepwiseTape
from hyperadam.kernels.cpu_tensor_tape import FusedTensorStepwiseTape
from hyperadam.kernels.gpu_tensor import fuse_on_gpu
from hyperadam.kernels.limits import KernelLimits
from hyperadam.kernels.tensor_library import choose_tensor_kernel
from hyperadam.rules import Rule


class StepwiseTape(Protocol):
    """One period of L learners. The state that it starts from is a constant."""

    @property
    def state(self) -> Any:
        """The rule's state after the last step, detached."""

    @property
    def theta_gradients(self) -> Tensor:
        """∂F/∂Θ of each learner, from the steps that were gone back; shape (L, n_theta)."""

    def step(
        self,
        gradient: Tensor,  # shape: (L, p)
    ) -> Tensor:
        """The direction d_t, shape (L, p), detached."""

    def backward_step(
        self,
        upstream: Tensor,  # shape: (L, p)
    ) -> Tensor:
        """Go back the last step that is left: from ∂F/∂d_t to ∂F/∂g_t, shape (L, p)."""


class StepInputs(NamedTuple):
    """What one step is computed from again."""

    gradient: Tensor
    """Shape (L, p)."""
    state: Any
    """The rule's state before the step, for gradients (L, p)."""


class ReferenceStepwiseTape:
    """A stepwise tape over `rule.update`, differentiated by autograd, learner by learner.

    On one thread, a graph for each learner took as long as one of all learners, from 1,000
    coordinates on, and less than one that `vmap` makes.
    """

    def __init__(
        self,
        rule: Rule[Any],
        theta: Tensor,  # shape: (n_theta,)
        state: Any,
    ) -> None:
        self._rule = rule
        self._theta = theta.detach()
        self._state = type(state)(*(field.detach() for field in state))
        self._adjoint = type(state)(*(torch.zeros_like(field) for field in self._state))
        self._steps: list[StepInputs] = []
        n_learners = state[0].shape[1]
        self._totals = theta.new_zeros(n_learners, len(theta), dtype=torch.float64)

    @property
    def state(self) -> Any:
        return self._state

    @property
    def theta_gradients(self) -> Tensor:
        return self._totals.to(self._theta.dtype)

    @torch.no_grad()
    def step(self, gradient: Tensor) -> Tensor:
        gradient = gradient.detach()
        self._steps.append(StepInputs(gradient, self._state))
        direction, self._state = self._rule.update(
            self._rule.unpack(self._theta), gradient, self._state
        )
        return direction

    def backward_step(self, upstream: Tensor) -> Tensor:
        inputs = self._take_last_step(upstream)
        gradient_adjoints: list[Tensor] = []
        state_adjoints: list[Any] = []
        for learner in range(len(upstream)):
            rows = slice(learner, learner + 1)
            theta_gradient, gradient_adjoint, state_adjoint = self._backward_learner(
                StepInputs(inputs.gradient[rows], _select_rows(inputs.state, rows)),
                upstream[rows],
                _select_rows(self._adjoint, rows),
            )
            self._totals[learner] += theta_gradient
            gradient_adjoints.append(gradient_adjoint)
            state_adjoints.append(state_adjoint)
        fields = zip(*state_adjoints, strict=True)
        self._adjoint = type(inputs.state)(*(torch.cat(rows, dim=1) for rows in fields))
        return torch.cat(gradient_adjoints)

    def _take_last_step(self, upstream: Tensor) -> StepInputs:
        if not self._steps:
            raise ValueError("backward_step needs a step that was not gone back yet")
        expected = self._steps[-1].gradient.shape
        if upstream.shape != expected:
            raise ValueError(
                f"upstream has shape {tuple(upstream.shape)}, expected {tuple(expected)}"
            )
        return self._steps.pop()

    def _backward_learner(
        self, inputs: StepInputs, upstream: Tensor, state_adjoint: Any
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """∂F/∂Θ (n_theta,), ∂F/∂g (1, p) and the adjoint of the state before, of one learner."""
        theta = self._theta.clone().requires_grad_()
        gradient = inputs.gradient.clone().requires_grad_()
        state = type(inputs.state)(*(field.clone().requires_grad_() for field in inputs.state))
        with torch.enable_grad():
            direction, after = self._rule.update(self._rule.unpack(theta), gradient, state)
        outputs = [direction, *after]
        upstreams = [upstream, *state_adjoint]
        depending = [index for index, output in enumerate(outputs) if output.requires_grad]
        theta_gradient, gradient_adjoint, *adjoints = torch.autograd.grad(
            [outputs[index] for index in depending],
            [theta, gradient, *state],
            [upstreams[index] for index in depending],
            materialize_grads=True,
        )
        return theta_gradient, gradient_adjoint, adjoints


class LimitedStepwiseTape:
    """A stepwise tape of a rule that limits its directions, around one that does not; see
    `hyperadam.kernels.limits`. A direction that is cut depends on nothing."""

    def __init__(self, inner: StepwiseTape, limits: KernelLimits) -> None:
        self._inner = inner
        self._limits = limits
        self._cuts: list[Tensor] = []

    @property
    def state(self) -> Any:
        return self._inner.state

    @property
    def theta_gradients(self) -> Tensor:
        return self._inner.theta_gradients

    def step(self, gradient: Tensor) -> Tensor:
        still = self._limits.find_still(gradient)
        direction = self._inner.step(gradient)
        self._cuts.append(self._limits.find_cut(direction, still))
        return self._limits.apply_(direction.clone(), still)

    def backward_step(self, upstream: Tensor) -> Tensor:
        if self._cuts and self._cuts[-1].shape == upstream.shape:
            upstream = upstream.masked_fill(self._cuts.pop(), 0.0)
        return self._inner.backward_step(upstream)  # which refuses what does not fit


def open_stepwise_tape(
    rule: Rule[Any],
    theta: Tensor,  # shape: (n_theta,)
    state: Any,
) -> StepwiseTape:
    """A stepwise tape that starts from `state`, of L learners; Θ, state and gradients share dtype
    and device. It is fused for HyperAdam and the rule with its cells a tensor on CPUs; on GPUs,
    each step of the latter is."""
    tensor_kernel = choose_tensor_kernel(rule, theta)
    if tensor_kernel is not None:
        return FusedTensorStepwiseTape(tensor_kernel, state)
    fused_rule = fuse_on_gpu(rule, theta)
    if fused_rule is not None:
        return ReferenceStepwiseTape(fused_rule, theta, state)

    kernel = cpu.choose_kernel(rule, theta)
    if kernel is None:
        return ReferenceStepwiseTape(rule, theta, state)
    fused = FusedStepwiseTape(kernel, theta, state)
    limits = KernelLimits.of(rule)
    return LimitedStepwiseTape(fused, limits) if limits else fused


def _select_rows(state: Any, rows: slice) -> Any:
    """The state of some of the learners: fields are (·, L, p)."""
    return type(state)(*(field[:, rows] for field in state))

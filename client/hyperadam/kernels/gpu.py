"""HyperAdam's cell on CUDA devices, fused: a tape and a stepper over the Triton kernels of
`triton_cell`.

The twin of `hyperadam.kernels.cpu`, behind the same contract and held to the same tests. Triton
comes with torch's CUDA builds; without it, plain torch runs on the device. Where there is no GPU,
the kernels can be run by Triton's interpreter (`TRITON_INTERPRET=1`), on tensors in ordinary
memory: that is how they are tested.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final

import torch
from torch import Tensor

from hyperadam import settings
from hyperadam.kernels.checks import checked, checked_state, checked_targets, stored_dtype
from hyperadam.kernels.cpu import is_fused
from hyperadam.kernels.reference import check_upstream
from hyperadam.rules import HyperAdamRule, HyperAdamState, Rule

BLOCK: Final = 64
"""Coordinates of one tile of a step."""
BACKWARD: Final[dict[str, Any]] = {"BLOCK": 32, "num_warps": 8, "num_stages": 1}
"""Smaller tiles, and no loads ahead of their use: what a backward pass holds at once has to fit
into shared memory."""
CHUNK: Final = 1024
"""Blocks whose sums are added at a time."""
LARGEST_J: Final = 32
"""More candidates would make tiles that no processor of a GPU holds."""
PROGRAMS: Final = 256
"""Programs of a backward pass; fixed, as sums are grouped by it."""
_LOG: Final = logging.getLogger("hyperadam")


@dataclass(frozen=True)
class Kernel:
    """A rule, and where and in which dtype it runs."""

    rule: HyperAdamRule
    dtype: torch.dtype
    device: torch.device

    @cached_property
    def constants(self) -> dict[str, Any]:
        """What every kernel of the cell is compiled for."""
        j = self.rule.spec.n_candidates
        rows = max(16, 1 << (j - 1).bit_length())
        return {"SQUASH": self.rule.spec.squash == "asinh", "J": j, "ROWS": rows}

    def empty(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        return torch.empty(shape, dtype=dtype or self.dtype, device=self.device)


def kernel_for(rule: Rule[Any], theta: Tensor) -> Kernel | None:
    """The kernel, or None where plain torch has to run.

    That is: other rules, specs and dtypes, as on the CPU; more candidates than `LARGEST_J`; no
    Triton.
    """
    if (
        theta.device.type != "cuda"
        or not is_fused(rule, theta.dtype)
        or settings.kernel_choice() == "off"
    ):
        return None
    if rule.spec.n_candidates > LARGEST_J or not _has_triton():
        return None
    return Kernel(rule, theta.dtype, theta.device)


@cache
def _has_triton() -> bool:
    try:
        import triton  # noqa: F401
    except ImportError as error:
        _LOG.warning(
            "The fused kernel is not available, plain torch is used instead (same results, slower): %s",
            error,
        )
        return False
    return True


class _Launcher:
    """The kernels on learners of one shape, with the small buffers that they share."""

    def __init__(self, kernel: Kernel, theta: Tensor, shape: torch.Size) -> None:
        from hyperadam.kernels.triton_cell import backward, forward, norms

        if not shape or shape[-1] < 1:
            raise ValueError(
                f"gradient must have coordinates in its last dimension, got shape {tuple(shape)}"
            )
        self._forward, self._backward, self._norms = forward, backward, norms
        self.kernel, self.theta, self.shape = kernel, theta, tuple(shape)
        self.n_learners, self.p = shape[:-1].numel(), shape[-1]
        self.n = self.n_learners * self.p
        self.n_blocks = -(-self.p // BLOCK)
        spec, j = kernel.rule.spec, kernel.rule.spec.n_candidates
        self._j, self._rms, self._epsilon = j, spec.normalization == "rms", spec.norm_epsilon
        self._lstm: dict[str, Any] = {"FORGET_BIAS": spec.forget_bias, **kernel.constants}
        self._heads: dict[str, Any] = {
            "EPSILON": spec.epsilon,
            "NORMALIZE_STATE": spec.normalize_state,
            "INSIDE_ROOT": spec.epsilon_inside_root,
            **kernel.constants,
        }
        self._sums = kernel.empty(2 * j, self.n_learners, self.n_blocks, dtype=torch.float64)

    @property
    def n_scales(self) -> int:
        """Norms of one learner and step: of the gradient, of s_t, of m_{t−1}."""
        return 1 + 2 * self._j

    @property
    def _grid(self) -> tuple[int, int]:
        return self.n_blocks, self.n_learners

    def step(
        self,
        g: Tensor,
        state: Sequence[Tensor],
        out: Sequence[Tensor],
        direction: Tensor,
        scales: Tensor,
    ) -> None:
        """One step; `out` may be `state`. Scales: shape (L, 1 + 2 J), written."""
        with self._device():
            self._norms.gradient_squares[self._grid](
                g, self._sums, self.p, self.n_blocks, BLOCK=BLOCK
            )
            self._scale(scales, 0, 1)
            self._forward.state_cell[self._grid](
                self.theta,
                g,
                *state[:3],
                *out[:2],
                scales,
                self._sums,
                self.p,
                self.n,
                self.n_learners,
                self.n_blocks,
                **self._lstm,
                BLOCK=BLOCK,
            )
            self._scale(scales, 1, 2 * self._j)
            self._forward.adam_cell[self._grid](
                self.theta,
                g,
                out[0],
                *state[2:],
                *out[2:],
                direction,
                scales,
                self.p,
                self.n,
                **self._heads,
                BLOCK=BLOCK,
            )

    def _scale(self, scales: Tensor, first: int, n_rows: int) -> None:
        self._norms.scales_of_squares[(self.n_learners, n_rows)](
            self._sums,
            scales,
            self.p,
            self.n_learners,
            self.n_blocks,
            first,
            self.n_scales,
            EPSILON=self._epsilon,
            RMS=self._rms,
            CHUNK=CHUNK,
        )

    def backward(
        self,
        slots: Sequence[Tensor],
        gradients: Sequence[Tensor],
        scales: Sequence[Tensor],
        upstream: Tensor,
    ) -> Tensor:
        """The gradient with respect to Θ, float64. Slots: shape (6, J, L, p), one more than
        gradients and scales."""
        kernel, n_theta, n_blocks = (
            self.kernel,
            self.kernel.rule.n_theta,
            -(-self.p // BACKWARD["BLOCK"]),
        )
        programs, norms = (
            (min(PROGRAMS, self.n_learners * n_blocks),),
            (self.n_learners, 2 * self._j),
        )
        sizes = self.p, self.n, self.n_learners, n_blocks
        lstm = (
            self._lstm
            | {"NORMALIZE_STATE": kernel.rule.spec.normalize_state, "N_THETA": n_theta}
            | BACKWARD
        )
        heads = self._heads | {"N_THETA": n_theta} | BACKWARD
        adjoint, partials = torch.zeros_like(slots[0]), kernel.empty(*programs, n_theta).zero_()
        dots = kernel.empty(2 * self._j, self.n_learners, n_blocks, dtype=torch.float64)
        corrections = kernel.empty(*norms).zero_()
        with self._device():
            for t in reversed(range(len(gradients))):
                old, s, g, kappa = slots[t], slots[t + 1][0], gradients[t], scales[t]
                self._backward.heads_backward[programs](
                    self.theta,
                    g,
                    upstream[t],
                    s,
                    *old[2:],
                    adjoint,
                    kappa,
                    corrections,
                    dots,
                    partials,
                    *sizes,
                    **heads,
                )
                self._norms.corrections_of_dots[norms](
                    dots,
                    kappa,
                    corrections,
                    self.p,
                    self.n_learners,
                    n_blocks,
                    1,
                    self.n_scales,
                    RMS=self._rms,
                    CHUNK=CHUNK,
                )
                self._backward.lstm_backward[programs](
                    self.theta,
                    g,
                    *old[:2],
                    s,
                    adjoint,
                    kappa,
                    corrections,
                    partials,
                    *sizes,
                    **lstm,
                )
        return partials.sum(0, dtype=torch.float64)

    @contextmanager
    def _device(self) -> Iterator[None]:
        """Triton launches on the current device, which need not be Θ's."""
        if self.kernel.device.type == "cuda":
            with torch.cuda.device(self.kernel.device):
                yield
        else:
            yield


def _checked_theta(kernel: Kernel, theta: Tensor) -> Tensor:
    return checked("theta", theta, (kernel.rule.n_theta,), kernel.dtype, kernel.device).clone()


class FusedTape:
    """One period; see `hyperadam.kernels.Tape`. Keeps 6 J numbers a coordinate and step; the rest
    is computed again."""

    def __init__(self, kernel: Kernel, theta: Tensor, state: Any) -> None:
        self._kernel = kernel
        shape, j = state[0].shape[1:], kernel.rule.spec.n_candidates
        self._launcher = _Launcher(kernel, _checked_theta(kernel, theta), shape)
        fields = checked_state("state", state, j, self._launcher.shape, kernel.dtype, kernel.device)
        self._slots = [torch.stack(list(fields))]
        self._gradients: list[Tensor] = []
        self._scales: list[Tensor] = []
        self._directions: list[Tensor] = []

    @property
    def state(self) -> HyperAdamState:
        return HyperAdamState(*(field.clone() for field in self._slots[-1]))

    def step(self, gradient: Tensor) -> Tensor:
        kernel, launcher = self._kernel, self._launcher
        gradient = (
            checked("gradient", gradient, launcher.shape, kernel.dtype, kernel.device)
            .contiguous()
            .clone()
        )
        old, new = self._slots[-1], torch.empty_like(self._slots[-1])
        direction, scales = (
            torch.empty_like(gradient),
            kernel.empty(launcher.n_learners, launcher.n_scales),
        )
        launcher.step(gradient, old.unbind(), new.unbind(), direction, scales)
        self._gradients.append(gradient)
        self._scales.append(scales)
        self._slots.append(new)
        self._directions.append(direction)
        return direction

    def backward(self, upstream: Tensor) -> Tensor:
        check_upstream(upstream, self._directions)
        upstream = upstream.detach().to(self._kernel.dtype).contiguous()
        total = self._launcher.backward(self._slots, self._gradients, self._scales, upstream)
        self._slots, self._directions = self._slots[-1:], []
        return total.to(self._kernel.dtype)


class FusedStepper:
    """Single steps; see `hyperadam.kernels.Stepper`. With `out` and `out_state` given, a step
    allocates nothing.

    A state in bfloat16 is widened tile by tile, as by `hyperadam.kernels.cpu.FusedStepper`.
    """

    def __init__(self, kernel: Kernel, theta: Tensor) -> None:
        self._kernel, self._theta = kernel, _checked_theta(kernel, theta)
        self._launcher: _Launcher | None = None

    def _prepare(self, shape: torch.Size) -> _Launcher:
        if self._launcher is None or self._launcher.shape != tuple(shape):
            self._launcher = _Launcher(self._kernel, self._theta, shape)
            self._scales = self._kernel.empty(self._launcher.n_learners, self._launcher.n_scales)
        return self._launcher

    def step(
        self, gradient: Tensor, state: Any, *, out_state: Any = None, out: Tensor | None = None
    ) -> tuple[Tensor, HyperAdamState]:
        kernel, launcher = self._kernel, self._prepare(gradient.shape)
        dtype = stored_dtype(state, kernel.dtype)
        gradient = checked(
            "gradient", gradient, launcher.shape, kernel.dtype, kernel.device
        ).contiguous()
        fields = HyperAdamState(
            *(field.contiguous() for field in self._checked_state("state", state, dtype))
        )
        if out_state is None:
            out_state = HyperAdamState(*(torch.empty_like(field) for field in fields))
        if out is None:
            out = torch.empty_like(gradient)
        target = checked("out", out, launcher.shape, kernel.dtype, kernel.device)
        targets = self._checked_state("out_state", out_state, dtype)
        checked_targets(target, targets)
        launcher.step(gradient, fields, targets, target, self._scales)
        return out, out_state

    def _checked_state(self, name: str, state: Any, dtype: torch.dtype) -> HyperAdamState:
        assert self._launcher is not None
        j = self._kernel.rule.spec.n_candidates
        return checked_state(name, state, j, self._launcher.shape, dtype, self._kernel.device)

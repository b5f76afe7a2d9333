"""Launches the kernels of the cell, for learners of one shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor

from hyperadam.kernels.checks import StepShape
from hyperadam.kernels.triton_cell import norms
from hyperadam.kernels.triton_cell.arguments import Sizes, TapeStep
from hyperadam.kernels.triton_cell.backward_heads import heads_backward
from hyperadam.kernels.triton_cell.backward_lstm import lstm_backward
from hyperadam.kernels.triton_cell.constants import CellConstants
from hyperadam.kernels.triton_cell.forward import adam_cell, state_cell
from hyperadam.rules import HyperAdamRule, HyperAdamState

BLOCK: Final = 64
"""Coordinates of one tile of a step."""
BACKWARD: Final[dict[str, Any]] = {"BLOCK": 32, "num_warps": 8, "num_stages": 1}
"""Smaller tiles, and no loads ahead of their use: what a backward pass holds at once has to fit
into shared memory."""
CHUNK: Final = 1024
"""Blocks whose sums are added at a time."""
PROGRAMS: Final = 256
"""Programs of a backward pass; fixed, as sums are grouped by it."""


class CellLauncher:
    """The kernels, with the small buffers that they share."""

    def __init__(
        self,
        rule: HyperAdamRule,
        theta: Tensor,  # shape: (n_theta,)
        shape: StepShape,
    ) -> None:
        self._rule = rule
        self._theta = theta
        self.shape = shape
        self._constants = CellConstants.of(rule, theta.dtype)
        self._sizes = Sizes.of(shape.n_learners, shape.p, BLOCK)
        self._sums = self._make_sums(self._sizes)

    @property
    def _n_normed(self) -> int:
        """Fields of s_t and of m_{t−1}, whose norms are taken."""
        return 2 * self._rule.spec.n_candidates

    @property
    def _uses_rms(self) -> bool:
        return self._rule.spec.normalization == "rms"

    def make_scales(self) -> Tensor:
        """For the norms of each learner in one step: of its gradient, of s_t, of m_{t−1}."""
        return self._theta.new_empty(self.shape.n_learners, 1 + self._n_normed)

    def _make_sums(self, sizes: Sizes) -> Tensor:
        """For each block's sums of s_t and of m_{t−1}."""
        shape = (self._n_normed, sizes.n_learners, sizes.n_blocks)
        return self._theta.new_empty(shape, dtype=torch.float64)

    def step(
        self,
        gradient: Tensor,
        state: HyperAdamState,
        out_state: HyperAdamState,
        out: Tensor,
        scales: Tensor,  # shape: (L, 1 + 2 J), written
    ) -> None:
        """One step: writes the new state, which may be `state` itself, and the direction."""
        sizes = self._sizes
        constants = self._constants
        grid = (sizes.n_blocks, sizes.n_learners)
        with self._use_device():
            norms.sum_gradient_squares[grid](gradient, self._sums, sizes, BLOCK=BLOCK)
            self._compute_scales(scales, first=0, n_rows=1)
            state_cell[grid](
                self._theta,
                gradient,
                state,
                out_state,
                scales,
                self._sums,
                sizes,
                constants,
                BLOCK=BLOCK,
            )
            self._compute_scales(scales, first=1, n_rows=self._n_normed)
            adam_cell[grid](
                self._theta,
                gradient,
                state,
                out_state,
                out,
                scales,
                sizes,
                constants,
                BLOCK=BLOCK,
            )

    def _compute_scales(self, scales: Tensor, *, first: int, n_rows: int) -> None:
        grid = (self._sizes.n_learners, n_rows)
        norms.compute_scales[grid](
            self._sums,
            scales,
            self._sizes,
            first,
            scales.shape[1],
            EPSILON=self._rule.spec.norm_epsilon,
            RMS=self._uses_rms,
            CHUNK=CHUNK,
        )

    def backward(
        self,
        steps: Sequence[TapeStep],
        upstream: Tensor,  # shape: (steps, *batch, p)
    ) -> Tensor:
        """The gradient with respect to Θ, shape (n_theta,), float64."""
        sizes = Sizes.of(self.shape.n_learners, self.shape.p, BACKWARD["BLOCK"])
        constants = self._constants
        n_programs = min(PROGRAMS, sizes.n_learners * sizes.n_blocks)
        grid = (n_programs,)
        adjoint = HyperAdamState(*(torch.zeros_like(field) for field in steps[0].state))
        partials = self._theta.new_zeros(n_programs, self._rule.n_theta)
        corrections = self._theta.new_zeros(sizes.n_learners, self._n_normed)
        dots = self._make_sums(sizes)

        with self._use_device():
            for t in reversed(range(len(steps))):
                heads_backward[grid](
                    self._theta,
                    steps[t],
                    upstream[t],
                    adjoint,
                    corrections,
                    dots,
                    partials,
                    sizes,
                    constants,
                    **BACKWARD,
                )
                self._compute_corrections(corrections, dots, steps[t].scales, sizes)
                lstm_backward[grid](
                    self._theta,
                    steps[t],
                    adjoint,
                    corrections,
                    partials,
                    sizes,
                    constants,
                    **BACKWARD,
                )
        return partials.sum(0, dtype=torch.float64)

    def _compute_corrections(
        self, corrections: Tensor, dots: Tensor, scales: Tensor, sizes: Sizes
    ) -> None:
        grid = (sizes.n_learners, self._n_normed)
        norms.compute_corrections[grid](
            dots,
            scales,
            corrections,
            sizes,
            1,
            scales.shape[1],
            RMS=self._uses_rms,
            CHUNK=CHUNK,
        )

    @contextmanager
    def _use_device(self) -> Iterator[None]:
        """Triton launches on the current device, which need not be Θ's."""
        if self._theta.device.type == "cuda":
            with torch.cuda.device(self._theta.device):
                yield
        else:
            yield

"""Launches the kernels, for learners of the same tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any, Final

import torch
import triton.language as tl
from torch import Tensor

from hyperadam.kernels.triton_tensor.backward import (
    Adjoints,
    InputAdjoints,
    step_coordinates_backward,
)
from hyperadam.kernels.triton_tensor.blocks import Blocks
from hyperadam.kernels.triton_tensor.forward import Coefficients, step_coordinates
from hyperadam.kernels.triton_tensor.sums import add_blocks
from hyperadam.kernels.triton_tensor.tiles import Constants, Sizes
from hyperadam.rules import HyperAdamTensorSpec

BLOCK: Final = 512
"""Coordinates of a block."""
CHUNK: Final = 64
"""Blocks whose sums are added at a time."""
_DTYPES: Final = {torch.float32: tl.float32, torch.float64: tl.float64}


class PassLauncher:
    """One pass over the coordinates of learners, and back."""

    def __init__(
        self,
        spec: HyperAdamTensorSpec,
        lengths: Sequence[int],
        shape: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """
        Args:
            spec: of the rule.
            lengths: of the tensors.
            shape: (*batch, p) of gradients.
            dtype: of arithmetic.
            device: of all tensors.
        """
        j = spec.n_candidates
        self._j = j
        self._device = device
        self._dtype = dtype
        self._batch = tuple(shape[:-1])
        self._blocks = Blocks.cut(lengths, BLOCK, device)
        self._sizes = Sizes(
            p=shape[-1],
            n_learners=prod(self._batch),
            n_tensors=self._blocks.n_tensors,
            n_blocks=self._blocks.n_blocks,
            most_blocks=-(-max(lengths) // BLOCK),
        )
        self._constants = Constants(
            J=tl.constexpr(j),
            ROWS=tl.constexpr(1 << (j - 1).bit_length()),
            DTYPE=tl.constexpr(_DTYPES[dtype]),
            EPSILON=tl.constexpr(spec.epsilon),
            BOUND=tl.constexpr(spec.direction_bound),
        )

    def step(
        self,
        gradient: Tensor,
        moments: tuple[Tensor, Tensor],
        new_moments: tuple[Tensor, Tensor],
        direction: Tensor,
        coefficients: Coefficients,
    ) -> Tensor:
        """Writes m and v, which may be the old ones, and the direction.

        Returns:
            Σ m_j², Σ v, Σ g² and how often g is not 0 of each tensor; shape (J + 3, *batch, k).
        """
        sums = self._make_sums(self._j + 3)
        self._launch(
            step_coordinates,
            gradient,
            *moments,
            *new_moments,
            direction,
            sums,
            coefficients,
        )
        return self._add_blocks(sums)

    def step_backward(
        self,
        gradient: Tensor,
        moments: tuple[Tensor, Tensor],
        adjoints: Adjoints,
        coefficients: Coefficients,
    ) -> tuple[InputAdjoints, Tensor]:
        """The adjoints of what a step was given: of gradient and moments, and of the coefficients,
        in their order, shape (2 J + 3, *batch, k)."""
        of_inputs = InputAdjoints(
            *(torch.empty_like(field) for field in (gradient, *moments)),
        )
        sums = self._make_sums(2 * self._j + 3)
        self._launch(
            step_coordinates_backward,
            gradient,
            *moments,
            adjoints,
            of_inputs,
            sums,
            coefficients,
        )
        return of_inputs, self._add_blocks(sums)

    def _launch(self, kernel: Any, *arguments: Any) -> None:
        """A program for each block of each learner, if there are any."""
        grid = (self._sizes.n_blocks, self._sizes.n_learners)
        if not prod(grid):
            return
        with self._use_device():
            kernel[grid](*arguments, self._blocks, self._sizes, self._constants, BLOCK=BLOCK)

    def _make_sums(self, n_rows: int) -> Tensor:
        n_blocks = self._sizes.n_learners * self._sizes.n_blocks
        return torch.empty(n_rows, n_blocks, dtype=self._dtype, device=self._device)

    def _add_blocks(self, sums: Tensor) -> Tensor:
        sizes = self._sizes
        shape = (len(sums), *self._batch, sizes.n_tensors)
        totals = torch.empty(shape, dtype=self._dtype, device=self._device)
        grid = (sizes.n_tensors, sizes.n_learners)
        n_rows = len(sums)
        rows = 1 << (n_rows - 1).bit_length()
        with self._use_device():
            add_blocks[grid](sums, totals, self._blocks, sizes, n_rows, rows, CHUNK)
        return totals

    @contextmanager
    def _use_device(self) -> Iterator[None]:
        """Triton launches on the current device, which need not be that of the tensors."""
        if self._device.type == "cuda":
            with torch.cuda.device(self._device):
                yield
        else:
            yield

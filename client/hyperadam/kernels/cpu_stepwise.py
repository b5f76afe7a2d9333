"""HyperAdam's cell on the CPU, fused, differentiated step by step; see
`hyperadam.kernels.stepwise`.

It took 1.0 to 1.3 times as long as the tape that is differentiated at once, where autograd over the
plain rule took ten times as long.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hyperadam.kernels.cpu import FusedTape, Kernel
from hyperadam.kernels.pool import POOL
from hyperadam.rules import HyperAdamState


class FusedStepwiseTape(FusedTape):
    """One period of L learners; keeps what `FusedTape` keeps."""

    def __init__(self, kernel: Kernel, theta: Tensor, state: Any) -> None:
        super().__init__(kernel, theta, state)
        self._totals = torch.zeros(
            self._layout.n_learners, kernel.rule.n_theta, dtype=torch.float64
        )
        self._adjoint: Tensor | None = None
        self._end_state: HyperAdamState | None = None

    @property
    def state(self) -> HyperAdamState:
        return super().state if self._end_state is None else self._end_state

    @property
    def theta_gradients(self) -> Tensor:
        return self._totals.to(self._library.dtype)

    def backward_step(self, upstream: Tensor) -> Tensor:
        layout = self._layout
        library = self._library
        if not self._directions:
            raise ValueError("backward_step needs a step that was not gone back yet")
        upstream = layout.step.check_direction("upstream", upstream).contiguous()
        if self._adjoint is None:
            self._end_state = self.state
            self._adjoint = self._take_slot().zero_()

        after = self._slots.pop()
        before = self._slots[-1]
        gradient = self._gradients.pop()
        scales = self._scales.pop()
        self._directions.pop()
        gradient_adjoint = library.make_buffer(*layout.shape)
        workspace = library.make_buffer(library.backward_workspace)
        library.tape_backward_step(
            layout.address,
            self._theta.data_ptr(),
            before.data_ptr(),
            after.data_ptr(),
            gradient.data_ptr(),
            scales.data_ptr(),
            upstream.data_ptr(),
            self._adjoint.data_ptr(),
            self._sums.data_ptr(),
            gradient_adjoint.data_ptr(),
            self._totals.data_ptr(),
            workspace.data_ptr(),
        )
        POOL.give_back([after])
        return gradient_adjoint

"""What kernels ask of their arguments before they hand out addresses: shapes, dtypes and devices,
named in errors."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hyperadam.rules import HyperAdamState


def check_tensor(
    name: str, tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> Tensor:
    """The tensor, detached.

    Raises:
        ValueError: its shape, dtype or device is another.
    """
    if tuple(tensor.shape) != shape or tensor.dtype != dtype or tensor.device != device:
        raise ValueError(
            f"{name} must be {dtype} of shape {shape} on {device}, "
            f"got {tensor.dtype} of shape {tuple(tensor.shape)} on {tensor.device}"
        )
    return tensor.detach()


def read_stored_dtype(state: Any, dtype: torch.dtype) -> torch.dtype:
    """What a stepper's state is stored in: bfloat16 if its first field is, else the dtype of
    arithmetic."""
    return torch.bfloat16 if state[0].dtype == torch.bfloat16 else dtype


class StepTensors(NamedTuple):
    """What one step reads, all of it contiguous, and what it writes."""

    gradient: Tensor
    """Shape (*batch, p)."""
    state: HyperAdamState
    out: Tensor
    """The direction, shape (*batch, p)."""
    out_state: HyperAdamState


@dataclass(frozen=True)
class StepShape:
    """What gradients and states of one step look like.

    Raises:
        ValueError: gradients have no coordinates.
    """

    n_candidates: int
    """J."""
    shape: tuple[int, ...]
    """(*batch, p) of gradients and directions; the fields of a state are (J, *batch, p)."""
    dtype: torch.dtype
    """Of Θ, gradients and directions; states may be stored in bfloat16."""
    device: torch.device

    def __post_init__(self) -> None:
        if not self.shape or self.shape[-1] < 1:
            raise ValueError(
                f"gradient must have coordinates in its last dimension, got shape {self.shape}"
            )

    @property
    def n_learners(self) -> int:
        return prod(self.shape[:-1])

    @property
    def p(self) -> int:
        """Coordinates of one learner."""
        return self.shape[-1]

    def check_direction(self, name: str, tensor: Tensor) -> Tensor:
        """A gradient or a direction, detached.

        Raises:
            ValueError: its shape, dtype or device is another.
        """
        return check_tensor(name, tensor, self.shape, self.dtype, self.device)

    def check_state(
        self, name: str, state: Any, dtype: torch.dtype | None = None
    ) -> HyperAdamState:
        """The six fields of a state, detached.

        Args:
            name: what errors call the state.
            state: the six fields.
            dtype: of all fields; that of Θ unless told.

        Raises:
            ValueError: naming the field.
        """
        shape = (self.n_candidates, *self.shape)
        dtype = dtype or self.dtype
        fields = [
            check_tensor(f"{name}.{field}", tensor, shape, dtype, self.device)
            for field, tensor in zip(HyperAdamState._fields, state, strict=True)
        ]
        return HyperAdamState(*fields)

    def check_step(
        self, gradient: Tensor, state: Any, out: Tensor | None, out_state: Any
    ) -> StepTensors:
        """All of one step, with new memory for what has no place to be written to.

        Raises:
            ValueError: a shape, dtype or device is another, or what is written to has gaps.
        """
        dtype = read_stored_dtype(state, self.dtype)
        gradient = self.check_direction("gradient", gradient).contiguous()
        fields = [field.contiguous() for field in self.check_state("state", state, dtype)]
        if out_state is None:
            out_state = HyperAdamState(*(torch.empty_like(field) for field in fields))
        if out is None:
            out = torch.empty_like(gradient)

        self.check_direction("out", out)
        targets = self.check_state("out_state", out_state, dtype)
        if not all(target.is_contiguous() for target in (out, *targets)):
            raise ValueError("out and the fields of out_state must be contiguous to be written to")
        return StepTensors(gradient, HyperAdamState(*fields), out, out_state)

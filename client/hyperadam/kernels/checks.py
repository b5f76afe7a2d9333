"""What kernels ask of their arguments before they hand out addresses: shapes, dtypes and devices,
named in errors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hyperadam.rules import HyperAdamState


def checked(
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


def checked_state(
    name: str,
    state: Any,
    n_candidates: int,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    device: torch.device,
) -> HyperAdamState:
    """The six fields of a state of learners of shape `(*batch, p)`, detached.

    Raises:
        ValueError: naming the field.
    """
    fields = zip(HyperAdamState._fields, state, strict=True)
    return HyperAdamState(
        *(checked(f"{name}.{of}", x, (n_candidates, *shape), dtype, device) for of, x in fields)
    )


def checked_targets(out: Tensor, out_state: HyperAdamState) -> None:
    """What is written to is contiguous.

    Raises:
        ValueError: it is not.
    """
    if not all(target.is_contiguous() for target in (out, *out_state)):
        raise ValueError("out and the fields of out_state must be contiguous to be written to")


def stored_dtype(state: Any, dtype: torch.dtype) -> torch.dtype:
    """What a stepper's state is stored in: bfloat16 if its first field is, else the dtype of
    computation."""
    return torch.bfloat16 if state[0].dtype == torch.bfloat16 else dtype

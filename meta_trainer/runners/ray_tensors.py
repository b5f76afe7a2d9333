"""Tensors on Ray: they travel as NumPy arrays, which Ray shares between the processes of a node
without copying."""

from __future__ import annotations

from typing import Any

import torch
from ray.util import register_serializer
from torch.utils.dlpack import from_dlpack


def register_tensors() -> None:
    """Let Ray carry tensors so, in this process; each that sends or receives them has to ask."""
    register_serializer(torch.Tensor, serializer=_to_numpy, deserializer=_from_numpy)


def _to_numpy(tensor: torch.Tensor) -> Any:
    return tensor.detach().contiguous().numpy()


def _from_numpy(array: Any) -> torch.Tensor:
    """A view of memory that may be shared with other processes, and that nobody writes to: units of
    work are pure."""
    return from_dlpack(array)

"""Keeps the large buffers of a finished period for the next one: fresh memory costs more to touch than to use."""

from __future__ import annotations

from threading import Lock

import torch
from torch import Tensor


class BufferPool:
    """Buffers of one size and dtype at a time; those of another size are let go when it is asked for."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._key: tuple[int, torch.dtype] | None = None
        self._free: list[Tensor] = []

    def take(self, size: int, dtype: torch.dtype) -> Tensor:
        """A flat buffer of `size` numbers, not initialised."""
        with self._lock:
            if self._key != (size, dtype):
                self._key, self._free = (size, dtype), []
            if self._free:
                return self._free.pop()
        return torch.empty(size, dtype=dtype)

    def give_back(self, buffers: list[Tensor]) -> None:
        """Buffers that nobody uses any more."""
        with self._lock:
            self._free += [buffer for buffer in buffers if (buffer.numel(), buffer.dtype) == self._key]


POOL = BufferPool()

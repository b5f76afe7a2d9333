"""Keeps the large buffers of a finished period for the next one: fresh memory costs more to touch
than to use."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

import torch
from torch import Tensor

KEPT_BYTES: Final = 2**30
"""What may lie idle beside the buffers of the size that was used last."""

_Key = tuple[int, torch.dtype]


class BufferPool:
    """Idle buffers by size and dtype, so that a worker may turn from chunks of one size to another
    and back.

    A buffer is up to a quarter larger than what it was taken for, so that learners of nearly the
    same number of coordinates, as a training draws them without end, use the same memory.

    Buffers of the size that was used last are always kept; those of other sizes, the longest unused
    first, are let go as soon as all together hold more than `kept_bytes`.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._lock = Lock()
        self._kept_bytes = kept_bytes
        self._idle_bytes = 0
        self._idle: OrderedDict[_Key, list[Tensor]] = OrderedDict()  # the size used last comes last

    def take(self, size: int, dtype: torch.dtype) -> Tensor:
        """A flat buffer of `size` numbers, not initialised."""
        rounded = round_up(size)
        with self._lock:
            idle = self._use_last((rounded, dtype))
            self._drop_others()

            if idle:
                buffer = idle.pop()
                self._idle_bytes -= buffer.nbytes
                return buffer[:size]

        return torch.empty(rounded, dtype=dtype)[:size]

    def give_back(self, buffers: list[Tensor]) -> None:
        """Buffers that nobody uses any more."""
        with self._lock:
            for buffer in buffers:
                whole = torch.empty(0, dtype=buffer.dtype).set_(buffer.untyped_storage())
                self._use_last((whole.numel(), whole.dtype)).append(whole)
                self._idle_bytes += whole.nbytes

            self._drop_others()

    def _use_last(self, key: _Key) -> list[Tensor]:
        """The idle buffers of a size, which from now on is the one that was used last."""
        idle = self._idle.setdefault(key, [])
        self._idle.move_to_end(key)
        return idle

    def _drop_others(self) -> None:
        """Lets other sizes go until all together are within the bound."""
        while self._idle_bytes > self._kept_bytes and len(self._idle) > 1:
            _, dropped = self._idle.popitem(last=False)
            self._idle_bytes -= sum(buffer.nbytes for buffer in dropped)


def round_up(size: int) -> int:
    """The next of 4, 5, 6, 7 times a power of two; a size below 8 is itself."""
    step = 1 << max(size.bit_length() - 3, 0)
    return -(-size // step) * step


POOL = BufferPool()

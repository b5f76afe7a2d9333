"""Idle buffers: the same memory again, for several sizes in turn, within a bound."""

from __future__ import annotations

import weakref

import torch
from hyperadam.kernels.pool import BufferPool
from torch import Tensor

FLOAT_BYTES = 4


class WatchedPool:
    """A pool whose buffers are watched from outside: which of them are still in memory."""

    def __init__(self, pool: BufferPool) -> None:
        self._pool = pool
        self._buffers: list[weakref.ref[Tensor]] = []

    def take(self, size: int, dtype: torch.dtype = torch.float32) -> Tensor:
        buffer = self._pool.take(size, dtype)
        self._buffers.append(weakref.ref(buffer))
        return buffer

    def use(self, size: int) -> set[int]:
        """Takes two buffers together and gives them back. Their addresses."""
        buffers = [self.take(size) for _ in range(2)]
        self._pool.give_back(buffers)
        return {buffer.data_ptr() for buffer in buffers}

    @property
    def alive_bytes(self) -> int:
        """Of all buffers that the pool or the test still holds."""
        buffers = [reference() for reference in self._buffers]
        alive = {id(buffer): buffer for buffer in buffers if buffer is not None}
        return sum(buffer.nbytes for buffer in alive.values())


def test_sizes_in_turn_find_their_memory_again() -> None:
    pool = WatchedPool(BufferPool())
    first = {size: pool.use(size) for size in (100, 200, 300)}
    assert {size: pool.use(size) for size in (100, 200, 300)} == first
    assert pool.alive_bytes == 2 * FLOAT_BYTES * (100 + 200 + 300)


def test_buffers_in_use_are_not_shared() -> None:
    pool = WatchedPool(BufferPool())
    pool.use(100)
    buffers = [pool.take(100) for _ in range(3)]
    assert len({buffer.data_ptr() for buffer in buffers}) == 3
    del buffers
    assert pool.alive_bytes == 0


def test_a_dtype_is_a_size_of_its_own() -> None:
    pool = WatchedPool(BufferPool())
    pool.use(100)
    assert pool.take(100, torch.float64).dtype == torch.float64
    assert pool.alive_bytes == 2 * FLOAT_BYTES * 100


def test_the_longest_unused_goes_first() -> None:
    pool = WatchedPool(BufferPool(kept_bytes=2 * FLOAT_BYTES * 350))
    addresses = pool.use(100)
    pool.use(200)
    assert pool.use(100) == addresses
    assert pool.alive_bytes == 2 * FLOAT_BYTES * (100 + 200)
    pool.use(300)  # over the bound: 200 goes, and as that is not enough, 100 too
    assert pool.alive_bytes == 2 * FLOAT_BYTES * 300
    pool.use(50)
    assert pool.alive_bytes == 2 * FLOAT_BYTES * (300 + 50)


def test_the_size_in_use_is_kept_however_large() -> None:
    pool = WatchedPool(BufferPool(kept_bytes=100))
    pool.use(10)
    addresses = pool.use(1000)
    assert pool.alive_bytes == 2 * FLOAT_BYTES * 1000
    assert pool.use(1000) == addresses

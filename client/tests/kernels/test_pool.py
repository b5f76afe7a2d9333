"""Idle buffers: the same memory again, for several sizes in turn, within a bound."""

from __future__ import annotations

import weakref

import pytest
import torch
from hyperadam.kernels.pool import BufferPool, round_up
from torch import Tensor

FLOAT_BYTES = 4


class WatchedPool:
    """A pool whose memory is watched from outside: what of it is still there."""

    def __init__(self, pool: BufferPool) -> None:
        self._pool = pool
        self._storages: list[weakref.ref[torch.UntypedStorage]] = []

    def take(self, size: int, dtype: torch.dtype = torch.float32) -> Tensor:
        buffer = self._pool.take(size, dtype)
        assert (buffer.shape, buffer.dtype) == ((size,), dtype)
        assert buffer.is_contiguous()
        self._storages.append(weakref.ref(buffer.untyped_storage()))
        return buffer

    def use(self, size: int) -> set[int]:
        """Takes two buffers together and gives them back. Their addresses."""
        buffers = [self.take(size) for _ in range(2)]
        self._pool.give_back(buffers)
        return {buffer.data_ptr() for buffer in buffers}

    @property
    def alive_bytes(self) -> int:
        """Of all memory that the pool or the test still holds."""
        storages = [reference() for reference in self._storages]
        alive = {each.data_ptr(): each.nbytes() for each in storages if each is not None}
        return sum(alive.values())


def test_sizes_in_turn_find_their_memory_again() -> None:
    pool = WatchedPool(BufferPool())
    first = {size: pool.use(size) for size in (128, 192, 256)}
    assert {size: pool.use(size) for size in (128, 192, 256)} == first
    assert pool.alive_bytes == 2 * FLOAT_BYTES * (128 + 192 + 256)


def test_sizes_that_are_nearly_the_same_use_the_same_memory() -> None:
    pool = WatchedPool(BufferPool())
    first = pool.use(97)
    assert pool.use(112) == first
    assert pool.use(104) == first
    assert pool.alive_bytes == 2 * FLOAT_BYTES * 112
    assert not pool.use(113) & first


@pytest.mark.parametrize("size", [*range(1, 70), 10**6 + 1, 3 * 2**20])
def test_a_size_grows_by_less_than_a_quarter(size: int) -> None:
    rounded = round_up(size)
    assert size <= rounded < 1.25 * size or rounded == size
    assert round_up(rounded) == rounded


def test_no_coordinate_needs_no_memory() -> None:
    assert round_up(0) == 0
    assert WatchedPool(BufferPool()).take(0).numel() == 0


def test_buffers_in_use_are_not_shared() -> None:
    pool = WatchedPool(BufferPool())
    pool.use(128)
    buffers = [pool.take(128) for _ in range(3)]
    assert len({buffer.data_ptr() for buffer in buffers}) == 3
    del buffers
    assert pool.alive_bytes == 0


def test_a_dtype_is_a_size_of_its_own() -> None:
    pool = WatchedPool(BufferPool())
    pool.use(128)
    assert pool.take(128, torch.float64).dtype == torch.float64
    assert pool.alive_bytes == 2 * FLOAT_BYTES * 128


def test_the_longest_unused_goes_first() -> None:
    pool = WatchedPool(BufferPool(kept_bytes=2 * FLOAT_BYTES * 448))
    addresses = pool.use(128)
    pool.use(256)
    assert pool.use(128) == addresses
    assert pool.alive_bytes == 2 * FLOAT_BYTES * (128 + 256)
    pool.use(384)  # over the bound: 256 goes, and as that is not enough, 128 too
    assert pool.alive_bytes == 2 * FLOAT_BYTES * 384
    pool.use(64)
    assert pool.alive_bytes == 2 * FLOAT_BYTES * (384 + 64)


def test_the_size_in_use_is_kept_however_large() -> None:
    pool = WatchedPool(BufferPool(kept_bytes=128))
    pool.use(16)
    addresses = pool.use(1024)
    assert pool.alive_bytes == 2 * FLOAT_BYTES * 1024
    assert pool.use(1024) == addresses

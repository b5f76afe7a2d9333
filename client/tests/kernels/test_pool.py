"""Idle buffers: the same memory again, for several sizes in turn, within a bound."""

from __future__ import annotations

import torch
from hyperadam.kernels.pool import BufferPool


def addresses(
    pool: BufferPool, size: int, n: int = 2, dtype: torch.dtype = torch.float32
) -> set[int]:
    """Where n buffers are that are taken together and given back."""
    buffers = [pool.take(size, dtype) for _ in range(n)]
    pool.give_back(buffers)
    return {buffer.data_ptr() for buffer in buffers}


def test_sizes_in_turn_find_their_memory_again() -> None:
    pool = BufferPool()
    first = {size: addresses(pool, size) for size in (100, 200, 300)}
    assert {size: addresses(pool, size) for size in (100, 200, 300)} == first
    assert pool.idle_bytes == 2 * 4 * (100 + 200 + 300)


def test_buffers_in_use_are_not_shared() -> None:
    pool = BufferPool()
    addresses(pool, 100)
    taken = [pool.take(100, torch.float32) for _ in range(3)]
    assert len({buffer.data_ptr() for buffer in taken}) == 3
    assert pool.idle_bytes == 0


def test_a_dtype_is_a_size_of_its_own() -> None:
    pool = BufferPool()
    addresses(pool, 100)
    assert pool.take(100, torch.float64).dtype == torch.float64
    assert pool.idle_bytes == 2 * 4 * 100


def test_the_longest_unused_goes_first() -> None:
    pool = BufferPool(kept_bytes=2 * 4 * 350)
    kept = addresses(pool, 100)
    addresses(pool, 200)
    assert addresses(pool, 100) == kept
    addresses(pool, 300)  # over the bound: 200 goes, and as that is not enough, 100 too
    assert pool.idle_bytes == 2 * 4 * 300
    addresses(pool, 50)
    assert pool.idle_bytes == 2 * 4 * (300 + 50)


def test_the_size_in_use_is_kept_however_large() -> None:
    pool = BufferPool(kept_bytes=100)
    addresses(pool, 10)
    large = addresses(pool, 1000)
    assert pool.idle_bytes == 2 * 4 * 1000
    assert addresses(pool, 1000) == large

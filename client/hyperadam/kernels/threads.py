"""Ranges of blocks, run by a few threads: kernel calls release the interpreter lock, so plain
threads are enough."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Final

SMALLEST_RANGE: Final = 32
"""Blocks that are worth waking a thread for."""


def run_ranges(n_blocks: int, n_threads: int, work: Callable[[int, int, int], None]) -> None:
    """Calls `work(thread, begin, end)` so that every block is in exactly one range; returns when
    all are done."""
    n_ranges = max(1, min(n_threads, n_blocks // SMALLEST_RANGE))
    bounds = [n_blocks * k // n_ranges for k in range(n_ranges + 1)]
    others: list[Future[None]] = []
    for k in range(1, n_ranges):
        threads = _open_threads(n_ranges - 1)
        others.append(threads.submit(work, k, bounds[k], bounds[k + 1]))

    try:
        work(0, bounds[0], bounds[1])
    finally:
        for other in others:
            other.result()


@cache
def _open_threads(n: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n, thread_name_prefix="hyperadam")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_threads.cache_clear)

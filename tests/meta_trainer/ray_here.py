"""A Ray of the test's own process, which leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import ray

from tests.endings import ENDING_SECONDS


@contextmanager
def ray_here(n_cpus: int) -> Iterator[None]:
    """One node of so many cores, as long as the context is open.

    Ray lets go of a process that is not gone a second after it was killed. On a busy machine such
    are there, and a later test, whichever collects them, is warned of a process that still runs.
    """
    ray.init(address="local", num_cpus=n_cpus, include_dashboard=False, configure_logging=False)
    node = ray._private.worker._global_node
    processes = [one.process for some in node.all_processes.values() for one in some]
    try:
        yield
    finally:
        ray.shutdown()
        for process in processes:
            process.wait(timeout=ENDING_SECONDS)

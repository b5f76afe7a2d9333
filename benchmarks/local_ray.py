"""A Ray of this process's own, to measure what Ray costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def local_ray(n_cpus: int) -> Iterator[None]:
    """Ray on this machine, as if it had so many cores; it ends with the block.

    Its workers take their share of a busy machine: by default, Ray is nice to other work.
    """
    import ray

    ray.init(
        address="local",
        num_cpus=n_cpus,
        include_dashboard=False,
        configure_logging=False,
        log_to_driver=False,
        _system_config={"worker_niceness": 0},
    )
    try:
        yield
    finally:
        ray.shutdown()

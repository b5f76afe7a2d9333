"""The Ray runner: calls become Ray tasks, states travel from task to task through the object store.

Tasks rather than actors, because units of work are pure: Ray places each where a core is free, uses nodes as they join,
and makes a lost result again from its inputs. Only Θ goes out and gradients come back to the driver; the state of a
chunk stays in the object store of the node that made it, and Ray prefers to run the next period there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import ray
import torch
from ray.util import register_serializer
from torch.utils.dlpack import from_dlpack

from meta_trainer.runners.base import Handle, Runner


class RayRunner(Runner):
    """Runs on the cluster that this process is connected to: by `connect`, or by the caller's own `ray.init`."""

    def __init__(self, *, cpus_per_call: float = 1, max_workers: int | None = None) -> None:
        """
        Args:
            cpus_per_call: cores that Ray sets aside for each call.
            max_workers: at most so many calls at a time (None: as many as there are cores).
        """
        _register_tensors()
        self._cpus_per_call, self._max_workers = cpus_per_call, max_workers
        self._running: list[Handle] = []

    @classmethod
    def connect(cls) -> RayRunner:
        """On the cluster that RAY_ADDRESS names (Ray sets it inside a Ray job); without one, on a Ray of its own."""
        ray.init(log_to_driver=True)
        return cls()

    def put(self, value: Any) -> Handle:
        return ray.put(value)

    def call(self, function: Callable[..., Any], *arguments: Any, n_returns: int = 1) -> tuple[Handle, ...]:
        self._wait_for_a_place()
        task = _remote(function).options(num_cpus=self._cpus_per_call, num_returns=n_returns, max_retries=-1)
        handles = task.remote(*arguments)
        result = tuple(handles) if n_returns > 1 else (handles,)
        self._running.append(result[0])
        return result

    def get(self, handles: Sequence[Handle]) -> list[Any]:
        return list(ray.get(list(handles)))

    def as_completed(self, handles: Iterable[Handle]) -> Iterator[tuple[int, Any]]:
        positions = {handle: position for position, handle in enumerate(handles)}
        waiting = list(positions)
        while waiting:
            done, waiting = ray.wait(waiting)
            for handle in done:
                yield positions[handle], ray.get(handle)

    @property
    def n_workers(self) -> int:
        n = max(1, int(ray.cluster_resources().get("CPU", 1) / self._cpus_per_call))
        return min(n, self._max_workers) if self._max_workers else n

    def _wait_for_a_place(self) -> None:
        if self._max_workers is None:
            self._running.clear()
        elif len(self._running) >= self._max_workers:
            _, self._running = ray.wait(self._running, num_returns=len(self._running) - self._max_workers + 1)


@functools.cache
def _remote(function: Callable[..., Any]) -> Any:
    @functools.wraps(function)
    def run(*arguments: Any) -> Any:
        _register_tensors()
        return function(*arguments)

    return ray.remote(run)


def _register_tensors() -> None:
    """Tensors travel as NumPy arrays, which Ray shares between the processes of a node without copying."""
    register_serializer(torch.Tensor, serializer=_to_numpy, deserializer=_from_numpy)


def _to_numpy(tensor: torch.Tensor) -> Any:
    return tensor.detach().contiguous().numpy()


def _from_numpy(array: Any) -> torch.Tensor:
    """A view of memory that may be shared with other processes, and that nobody writes to: units of work are pure."""
    return from_dlpack(array)

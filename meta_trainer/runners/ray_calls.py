"""One call of a function on Ray: the tasks that try it, and the handles of its results."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ray

from meta_trainer.runners.ray_tensors import register_tensors


@dataclass(frozen=True, eq=False)
class CallTask:
    """One try of a call, as a task of Ray."""

    seconds: Any
    """Reference to the seconds that the function took; there as soon as the task has ended."""
    results: list[Any]
    """References to the function's results."""


@dataclass(eq=False)
class Call:
    """One call and its tries."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    """Handles, or plain values."""
    n_returns: int
    tasks: list[CallTask] = field(default_factory=list)
    """Those that are under way; once the call is settled, the one that ended."""
    n_begun: int = 0
    """Tasks that were begun in all."""
    n_refused: int = 0
    """Those of them that a worker was not fit for."""
    refused_since: float | None = None
    """When the first one was, by the monotonic clock."""
    is_settled: bool = False
    error: BaseException | None = None
    """What `get` of a result raises, once the call is settled."""

    @property
    def name(self) -> str:
        return str(getattr(self.function, "__name__", self.function))

    @property
    def n_tries(self) -> int:
        """Tasks that a worker took on."""
        return self.n_begun - self.n_refused

    def begin_task(self, n_cpus: float) -> None:
        """Try it: for the first time where Ray likes, later on any node that is idle."""
        self.n_begun += 1
        remote_function = _make_remote(self.function, self.n_returns).options(
            num_cpus=n_cpus,
            num_returns=1 + self.n_returns,
            max_retries=-1,
            scheduling_strategy="DEFAULT" if self.n_begun == 1 else "SPREAD",
        )
        references = [get_reference(argument) for argument in self.arguments]
        seconds, *results = remote_function.remote(*references)
        self.tasks.append(CallTask(seconds, results))

    def note_refusal(self, refused: CallTask) -> float:
        """A worker was not fit for this task; returns for how many seconds none has been."""
        self.tasks.remove(refused)
        self.n_refused += 1
        now = time.monotonic()
        if self.refused_since is None:
            self.refused_since = now
        return now - self.refused_since

    def settle(self, ended: CallTask) -> None:
        """Take this task's outcome as that of the call, and end all other tasks."""
        for task in self.tasks:
            if task is not ended:
                ray.cancel(task.seconds, force=False)
        self.tasks = [ended]
        self.arguments = ()  # so that Ray can free them
        self.is_settled = True


@dataclass(frozen=True, eq=False)
class CallResult:
    """The handle of one result of a call."""

    call: Call
    position: int

    @property
    def reference(self) -> Any:
        return self.call.tasks[0].results[self.position]


def get_reference(handle: Any) -> Any:
    """What stands for a handle, or for a plain value, in a task of Ray."""
    return handle.reference if isinstance(handle, CallResult) else handle


@functools.cache
def _make_remote(function: Callable[..., Any], n_returns: int) -> Any:
    """The function as a Ray task that also returns, first, the seconds it took."""

    @functools.wraps(function)
    def run(*arguments: Any) -> tuple[Any, ...]:
        register_tensors()
        began = time.monotonic()
        result = function(*arguments)
        seconds = time.monotonic() - began
        return (seconds, *result) if n_returns > 1 else (seconds, result)

    return ray.remote(run)

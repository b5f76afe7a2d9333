"""The Ray runner: calls become Ray tasks, states travel from task to task through the object store.

Tasks rather than actors, because units of work are pure: Ray places each where a core is free, uses
nodes as they join, and makes a lost result again from its inputs. Only Θ goes out and gradients
come back to the driver; the state of a chunk stays in the object store of the node that made it,
and Ray prefers to run the next period there.

A call that takes much longer than others of its kind while cores are idle is begun again; whichever
try ends first counts. As both give the same bits, that changes when a result is there, never what
it is.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakSet

import ray
import torch
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util import register_serializer
from torch.utils.dlpack import from_dlpack

from meta_trainer.runners.base import EventListener, Handle, Runner, WorkLost

POLL_SECONDS: Final = 0.25
"""Time between two looks at what may have gone wrong while calls are awaited."""
SLOW_FACTOR: Final = 3.0
"""A call is slow when nothing has ended for so many times the median duration of its kind."""
LEAST_PATIENCE_SECONDS: Final = 2.0
"""No call is slow before: a new worker process imports torch first."""
MOST_TRIES: Final = 4
"""Of one call."""
FETCH_SECONDS: Final = 10.0


@dataclass(eq=False)
class _Call:
    """One call and its tries. Each try is one reference to the seconds it took, and one to each of
    its results."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    n_returns: int
    tries: list[list[Any]] = field(default_factory=list)
    n_begun: int = 0
    settled: bool = False
    """One try has ended, and is the only one left."""
    error: BaseException | None = None


@dataclass(frozen=True, eq=False)
class _Result:
    """The handle of one result of a call."""

    call: _Call
    position: int

    @property
    def reference(self) -> Any:
        return self.call.tries[0][1 + self.position]


class RayRunner(Runner):
    """Runs on the cluster that this process is connected to: by `connect`, or by the caller's own
    `ray.init`."""

    def __init__(self, *, cpus_per_call: float = 1, max_workers: int | None = None) -> None:
        """
        Args:
            cpus_per_call: cores that Ray sets aside for each call.
            max_workers: at most so many calls at a time (None: as many as there are cores).
        """
        _register_tensors()
        self._cpus_per_call, self._max_workers = cpus_per_call, max_workers
        self._open: WeakSet[_Call] = WeakSet()
        self._seconds: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=64))
        self._quiet_since = time.monotonic()
        self._tell: EventListener | None = None
        self._capacity, self._capacity_checked = self._count_places(), time.monotonic()

    @classmethod
    def connect(cls, address: str = "") -> RayRunner:
        """On the cluster of this address, `host:port`; without one, on a Ray of its own, never on
        one that it finds.

        Raises:
            WorkLost: the cluster does not answer.
        """
        try:
            ray.init(address=address or "local", log_to_driver=True)
        except (ConnectionError, RayError) as error:
            raise WorkLost(f"no Ray cluster: {_first_line(error)}") from error
        return cls()

    def listen(self, tell: EventListener) -> None:
        self._tell = tell

    def put(self, value: Any) -> Handle:
        return ray.put(value)

    def call(
        self, function: Callable[..., Any], *arguments: Any, n_returns: int = 1
    ) -> tuple[Handle, ...]:
        while self._max_workers is not None and len(self._open) >= self._max_workers:
            self._await(set(self._open), at_least=1)
        call = _Call(function, arguments, n_returns)
        self._begin(call)
        self._open.add(call)
        self._quiet_since = time.monotonic()
        return tuple(_Result(call, position) for position in range(n_returns))

    def get(self, handles: Sequence[Handle]) -> list[Any]:
        waiting = {handle.call for handle in handles if isinstance(handle, _Result)}
        while waiting := {call for call in waiting if not call.settled}:
            self._await(waiting, at_least=len(waiting))
        for handle in handles:
            if isinstance(handle, _Result) and handle.call.error is not None:
                raise handle.call.error
        return self._fetch([_reference(handle) for handle in handles])

    def as_completed(self, handles: Iterable[Handle]) -> Iterator[tuple[int, Any]]:
        waiting = dict(enumerate(handles))
        while waiting:
            ended = [
                i
                for i, handle in waiting.items()
                if not isinstance(handle, _Result) or handle.call.settled
            ]
            if not ended:
                self._await({handle.call for handle in waiting.values()}, at_least=1)
            for position in ended:
                yield position, self.get([waiting.pop(position)])[0]

    @property
    def n_workers(self) -> int:
        return max(1, self._count_places())

    def _count_places(self) -> int:
        places = int(ray.cluster_resources().get("CPU", 0) / self._cpus_per_call)
        return places if self._max_workers is None else min(places, self._max_workers)

    def _begin(self, call: _Call) -> None:
        """Begin a try of it: the first where Ray likes, others on any node that is idle."""
        call.n_begun += 1
        task = _remote(call.function, call.n_returns).options(
            num_cpus=self._cpus_per_call,
            num_returns=1 + call.n_returns,
            max_retries=-1,
            scheduling_strategy="DEFAULT" if call.n_begun == 1 else "SPREAD",
        )
        call.tries.append(task.remote(*map(_reference, call.arguments)))

    def _await(self, calls: set[_Call], at_least: int) -> None:
        """Wait a moment for tries of these calls to end, and see to those that do not."""
        tries = {one[0]: (call, one) for call in calls for one in call.tries}
        ended, _ = ray.wait(
            list(tries), num_returns=min(at_least, len(tries)), timeout=POLL_SECONDS
        )
        for report in ended:
            call, one = tries[report]
            if not call.settled:
                self._settle(call, one)
        self._look_at_workers()
        if ended:
            self._quiet_since = time.monotonic()
        else:
            self._repeat_slow(calls)

    def _settle(self, call: _Call, ended: list[Any]) -> None:
        """Take the outcome of a try: a result, an error of the call's own, or nothing but the loss
        of a machine."""
        try:
            self._seconds[_name(call)].append(ray.get(ended[0]))
        except RayError as error:
            if isinstance(error, RayTaskError) and not isinstance(error.cause, RayError):
                call.error = error.cause
                call.error.__cause__ = error  # with the worker's own traceback
            elif call.n_begun < MOST_TRIES:
                call.tries.remove(ended)
                self._begin(call)
                return
            else:
                call.error = WorkLost(
                    f"{_name(call)} was lost {call.n_begun} times: {_first_line(error)}"
                )
                call.error.__cause__ = error
        for other in call.tries:
            if other is not ended:
                ray.cancel(other[0], force=False)
        call.tries, call.arguments, call.settled = (
            [ended],
            (),
            True,
        )  # without arguments, so that Ray can free them
        self._open.discard(call)

    def _repeat_slow(self, calls: set[_Call]) -> None:
        """Begin calls that are slow again, where cores are idle."""
        quiet = time.monotonic() - self._quiet_since
        slow = [
            call
            for call in calls
            if call.n_begun < MOST_TRIES and quiet > self._patience_seconds(call)
        ]
        for call in slow[: self._count_idle_places() if slow else 0]:
            self._begin(call)
            self._quiet_since = time.monotonic()
            self._say("call.repeated", {"call": _name(call), "seconds": round(quiet, 1)})

    def _count_idle_places(self) -> int:
        idle = int(ray.available_resources().get("CPU", 0) / self._cpus_per_call)
        if self._max_workers is not None:
            idle = min(idle, self._max_workers - sum(len(call.tries) for call in self._open))
        return max(0, idle)

    def _patience_seconds(self, call: _Call) -> float:
        """How long nothing may end before this call counts as slow."""
        known = self._seconds[_name(call)]
        if not known:  # nobody knows how long it should take
            return float("inf")
        return max(LEAST_PATIENCE_SECONDS, SLOW_FACTOR * statistics.median(known))

    def _look_at_workers(self) -> None:
        """Tell of places for calls that came or went; at most once a second."""
        now = time.monotonic()
        if now - self._capacity_checked < 1:
            return
        before, self._capacity, self._capacity_checked = self._capacity, self._count_places(), now
        if self._capacity != before:
            self._say("workers", {"n": self._capacity, "before": before})

    def _say(self, kind: str, data: Mapping[str, Any]) -> None:
        if self._tell is not None:
            self._tell(kind, data)

    def _fetch(self, references: list[Any]) -> list[Any]:
        """The values, which Ray may first have to make again."""
        while True:
            try:
                return list(ray.get(references, timeout=FETCH_SECONDS))
            except GetTimeoutError:
                self._look_at_workers()
            except RayError as error:
                raise WorkLost(f"a value cannot be made again: {_first_line(error)}") from error


def _reference(value: Any) -> Any:
    """What stands for a handle, or any other argument, in a call of Ray."""
    return value.reference if isinstance(value, _Result) else value


def _name(call: _Call) -> str:
    return str(getattr(call.function, "__name__", call.function))


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


@functools.cache
def _remote(function: Callable[..., Any], n_returns: int) -> Any:
    """The function as a Ray task that also returns, first, the seconds it took."""

    @functools.wraps(function)
    def run(*arguments: Any) -> tuple[Any, ...]:
        _register_tensors()
        began = time.monotonic()
        result = function(*arguments)
        seconds = time.monotonic() - began
        return (seconds, *result) if n_returns > 1 else (seconds, result)

    return ray.remote(run)


def _register_tensors() -> None:
    """Tensors travel as NumPy arrays, which Ray shares between the processes of a node without
    copying."""
    register_serializer(torch.Tensor, serializer=_to_numpy, deserializer=_from_numpy)


def _to_numpy(tensor: torch.Tensor) -> Any:
    return tensor.detach().contiguous().numpy()


def _from_numpy(array: Any) -> torch.Tensor:
    """A view of memory that may be shared with other processes, and that nobody writes to: units of
    work are pure."""
    return from_dlpack(array)

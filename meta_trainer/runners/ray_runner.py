"""The Ray runner: calls become Ray tasks, states travel from task to task through the object store.

Tasks rather than actors, because units of work are pure: Ray places each where a core is free, uses
nodes as they join, and makes a lost result again from its inputs. Only Θ goes out and gradients
come back to the driver; the state of a chunk stays in the object store of the node that made it,
and Ray prefers to run the next period there.

A call that takes much longer than others of its kind while cores are idle is begun again; whichever
task ends first counts. As both give the same bits, that changes when a result is there, never what
it is.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final
from weakref import WeakSet

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util import placement_group, remove_placement_group

from meta_trainer.runners.base import EventListener, Handle, NoRoom, Runner, WorkLost, WorkRefused
from meta_trainer.runners.ray_agents import RayAgents
from meta_trainer.runners.ray_calls import Call, CallResult, CallTask, get_reference
from meta_trainer.runners.ray_places import ROOM_SECONDS, Places, describe_shortage
from meta_trainer.runners.ray_tensors import register_tensors

POLL_SECONDS: Final = 0.25
"""Time between two looks at what may have gone wrong while calls are awaited."""
SLOW_FACTOR: Final = 3.0
"""A call is slow when nothing has ended for so many times the median duration of its kind."""
LEAST_PATIENCE_SECONDS: Final = 2.0
"""No call is slow before: a new worker process imports torch first."""
MANY_CALLS: Final = 64
"""At a time: from so many on, agents begin them."""
MAX_TASKS: Final = 4
"""Of one call."""
REFUSAL_SECONDS: Final = 0.5
"""Pause after refusals: a worker that refuses is soon idle again, and would be asked at once."""
FETCH_SECONDS: Final = 10.0
"""Time between two looks at the workers while values are awaited."""
_N_DURATIONS: Final = 64
"""Of the newest calls of a kind, whose median says what is slow."""


class RayRunner(Runner):
    """Runs on the cluster that this process is connected to: by `connect`, or by the caller's own
    `ray.init`."""

    def __init__(
        self,
        *,
        cpus_per_call: float = 1,
        max_workers: int | None = None,
        branch_size: int | None = None,
    ) -> None:
        """
        Args:
            cpus_per_call: cores that Ray sets aside for each call.
            max_workers: at most so many calls at a time (None: as many as there are cores).
            branch_size: calls that an agent hands out, where there are more of them; None: about
                the square root of their number, where there are many calls and workers.
        """
        register_tensors()
        self._branch_size = branch_size
        self._cpus_per_call = cpus_per_call
        self._max_workers = max_workers
        self._places = Places(cpus_per_call, max_workers)
        self._open_calls: WeakSet[Call] = WeakSet()
        self._durations: defaultdict[str, deque[float]] = defaultdict(
            lambda: deque(maxlen=_N_DURATIONS)
        )
        self._quiet_since = time.monotonic()
        """When a call last began or ended."""
        self._listener: EventListener | None = None

    @classmethod
    def connect(cls, address: str = "", *, max_workers: int | None = None) -> RayRunner:
        """On the cluster of this address, `host:port`; without one, on a Ray of its own, never on
        one that it finds.

        Raises:
            WorkLost: the cluster does not answer.
        """
        try:
            ray.init(address=address or "local", log_to_driver=True)
        except (ConnectionError, RayError) as error:
            raise WorkLost(f"no Ray cluster: {_summarize(error)}") from error
        return cls(max_workers=max_workers)

    def listen(self, listener: EventListener) -> None:
        self._listener = listener

    def await_room(self, should_stop: Callable[[], bool]) -> None:
        began = time.monotonic()
        place = placement_group([{"CPU": self._cpus_per_call}])  # without the start of a worker
        try:
            while not place.wait(POLL_SECONDS):
                seconds = time.monotonic() - began
                if seconds > ROOM_SECONDS or should_stop():
                    needs = f"a worker needs {self._cpus_per_call:g} CPUs"
                    raise NoRoom(describe_shortage(needs, seconds))
        finally:
            remove_placement_group(place)

    def put(self, value: Any) -> Handle:
        return ray.put(value)

    def call(
        self, function: Callable[..., Any], *arguments: Any, n_returns: int = 1
    ) -> tuple[Handle, ...]:
        while self._max_workers is not None and len(self._open_calls) >= self._max_workers:
            self._wait(set(self._open_calls), at_least=1)
        call = Call(function, arguments, n_returns)
        call.begin_task(self._cpus_per_call)
        self._open_calls.add(call)
        self._quiet_since = time.monotonic()
        return tuple(CallResult(call, position) for position in range(n_returns))

    def get(self, handles: Sequence[Handle]) -> list[Any]:
        results = [handle for handle in handles if isinstance(handle, CallResult)]
        calls = {result.call for result in results}
        while True:
            open_calls = {call for call in calls if not call.is_settled}
            if not open_calls:
                break
            self._wait(open_calls, at_least=len(open_calls))

        for result in results:
            if result.call.error is not None:
                raise result.call.error
        return self._fetch([get_reference(handle) for handle in handles])

    def as_completed(self, handles: Iterable[Handle]) -> Iterator[tuple[int, Any]]:
        waiting = dict(enumerate(handles))
        while waiting:
            ended = [position for position, handle in waiting.items() if _has_ended(handle)]
            if not ended:
                self._wait({handle.call for handle in waiting.values()}, at_least=1)
            for position in ended:
                (value,) = self.get([waiting.pop(position)])
                yield position, value

    def employ(self, make: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> RayAgents:
        make_runner = partial(RayRunner, cpus_per_call=self._cpus_per_call)
        return RayAgents(make, arguments, make_runner=make_runner, wait=self._wait_for_answers)

    def find_branch_size(self, n_calls: int) -> int | None:
        if self._branch_size is not None:
            return self._branch_size if n_calls > self._branch_size else None
        is_large = min(n_calls, self.n_workers) >= MANY_CALLS
        return math.isqrt(n_calls - 1) + 1 if is_large and self._max_workers is None else None

    @property
    def n_workers(self) -> int:
        return max(1, self._places.count())

    def _wait_for_answers(self, references: list[Any], at_least: int) -> list[Any]:
        ended, _ = ray.wait(references, num_returns=at_least, timeout=POLL_SECONDS)
        self._look_at_workers()
        return list(ended)

    def _wait(self, calls: set[Call], at_least: int) -> None:
        """Wait a moment for tasks of these calls to end, and see to those that do not."""
        tasks: dict[Any, tuple[Call, CallTask]] = {}
        for call in calls:
            for task in call.tasks:
                tasks[task.seconds] = (call, task)

        ended, _ = ray.wait(
            list(tasks), num_returns=min(at_least, len(tasks)), timeout=POLL_SECONDS
        )
        for reference in ended:
            call, task = tasks[reference]
            if not call.is_settled:
                self._take_outcome(call, task)
        self._begin_refused([call for call in calls if not call.tasks])

        self._look_at_workers()
        if ended:
            self._quiet_since = time.monotonic()
        else:
            self._repeat_slow(calls)

    def _take_outcome(self, call: Call, ended: CallTask) -> None:
        """A task has ended: with a result, with an error of the function's own, or with nothing
        because its machine was lost. Then the call is tried again."""
        try:
            self._durations[call.name].append(ray.get(ended.seconds))
        except RayError as error:
            cause = error.cause if isinstance(error, RayTaskError) else error
            if isinstance(cause, WorkRefused) and call.note_refusal(ended) < ROOM_SECONDS:
                return
            if not isinstance(cause, RayError):
                call.error = cause
                call.error.__cause__ = error  # with the worker's own traceback
            elif call.n_tries < MAX_TASKS:
                call.tasks.remove(ended)
                call.begin_task(self._cpus_per_call)
                return
            else:
                times = f"{call.name} was lost {call.n_tries} times"
                call.error = WorkLost(f"{times}: {_summarize(error)}")
                call.error.__cause__ = error
        call.settle(ended)
        self._open_calls.discard(call)

    def _begin_refused(self, calls: Sequence[Call]) -> None:
        """Try calls whose workers were not fit for them elsewhere."""
        if not calls:
            return
        time.sleep(REFUSAL_SECONDS)
        for call in calls:
            call.begin_task(self._cpus_per_call)

    def _repeat_slow(self, calls: set[Call]) -> None:
        """Begin calls that are slow again, where cores are idle."""
        quiet_seconds = time.monotonic() - self._quiet_since
        slow_calls = []
        for call in calls:
            is_slow = quiet_seconds > self._compute_patience(call)
            if is_slow and call.n_tries < MAX_TASKS:
                slow_calls.append(call)
        if not slow_calls:
            return

        n_taken = sum(len(call.tasks) for call in self._open_calls)
        n_idle = self._places.count_idle(n_taken)
        for call in slow_calls[:n_idle]:
            call.begin_task(self._cpus_per_call)
            self._quiet_since = time.monotonic()
            self._send_event(
                "call.repeated", {"call": call.name, "seconds": round(quiet_seconds, 1)}
            )

    def _compute_patience(self, call: Call) -> float:
        """How many seconds nothing may end before this call counts as slow."""
        durations = self._durations[call.name]
        if not durations:  # nobody knows how long it should take
            return float("inf")
        return max(LEAST_PATIENCE_SECONDS, SLOW_FACTOR * statistics.median(durations))

    def _look_at_workers(self) -> None:
        """Tell of places for calls that came or went."""
        change = self._places.find_change()
        if change is not None:
            self._send_event("workers", {"n": change.now, "before": change.before})

    def _send_event(self, kind: str, data: Mapping[str, Any]) -> None:
        if self._listener is not None:
            self._listener(kind, data)

    def _fetch(self, references: list[Any]) -> list[Any]:
        """The values, which Ray may first have to make again."""
        while True:
            try:
                return list(ray.get(references, timeout=FETCH_SECONDS))
            except GetTimeoutError:
                self._look_at_workers()
            except RayError as error:
                raise WorkLost(f"a value cannot be made again: {_summarize(error)}") from error


def _has_ended(handle: Handle) -> bool:
    return not isinstance(handle, CallResult) or handle.call.is_settled


def _summarize(error: Exception) -> str:
    """Its name, and the first line of what it says."""
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}"

"""What the training loop and the evaluation ask of a runner: call pure functions, pass results
along by handle."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

Handle = Any
"""Stands for a value that may be on another machine. Only runners look inside."""

EventListener = Callable[[str, Mapping[str, Any]], None]
"""Takes the kind of an event and its data, as `Recorder.event` does."""


class WorkLost(Exception):
    """Machines failed in a way that a runner cannot mend: a value is gone, with everything it could
    be made from.

    It says nothing about the job, which can go on from its last checkpoint.
    """


class NoRoom(Exception):
    """The cluster has no room for the work now; the message says what is needed and what there
    is."""


class WorkRefused(NoRoom):
    """A worker is not fit for a call, and said so before it began; another one may be.

    A function raises it. A runner with several workers tries the call again elsewhere, for a while.
    """


class Runner(ABC):
    """Carries out calls of module-level pure functions. Order of calls and of workers never shows
    in results."""

    @abstractmethod
    def put(self, value: Any) -> Handle:
        """A handle for a value that many calls take: it is sent once to each machine."""

    @abstractmethod
    def call(
        self, function: Callable[..., Any], *arguments: Any, n_returns: int = 1
    ) -> tuple[Handle, ...]:
        """Begin a call; returns one handle for each of its `n_returns` results (a function of
        several returns a tuple).

        Arguments may be handles. The call may run again elsewhere if its worker is lost or slow.
        """

    @abstractmethod
    def get(self, handles: Sequence[Handle]) -> list[Any]:
        """The values, in the order of the handles; raises what the call raised.

        Raises:
            WorkLost: a value is gone and cannot be made again.
            WorkRefused: no worker was fit for a call.
        """

    def as_completed(self, handles: Iterable[Handle]) -> Iterator[tuple[int, Any]]:
        """(position, value) as calls end, in no fixed order: for progress, not for sums."""
        for position, handle in enumerate(handles):
            yield position, self.get([handle])[0]

    @property
    @abstractmethod
    def n_workers(self) -> int:
        """Calls that can run at the same time now."""

    def listen(self, listener: EventListener) -> None:
        """Tell this listener what happens to workers.

        The events are `workers` (`{"n", "before"}`; 0: the job waits for one) and `call.repeated`
        (`{"call", "seconds"}`: it took so long that it was begun again elsewhere).
        """

    def await_room(self, should_stop: Callable[[], bool]) -> None:
        """Return as soon as a call has found a place.

        Raises:
            NoRoom: it found none for long, or was asked to stop before it had one.
        """

    def close(self) -> None:
        """Let go of workers; the runner is not used afterwards."""

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


class Agents:
    """Objects that a runner employs, each of which is asked for one thing at a time.

    What an agent remembers is a memory only: one that is lost is made anew and asked again, so it
    must be able to answer from what it is asked with.
    """

    def __init__(self, agents: Sequence[Any]) -> None:
        self._agents = list(agents)
        self._answers: list[tuple[int, Any]] = []

    def __len__(self) -> int:
        return len(self._agents)

    def begin(self, position: int, method: str, arguments: tuple[Any, ...]) -> None:
        """Ask one agent for what its method gives. Handles in the arguments stay handles."""
        self._answers.append((position, getattr(self._agents[position], method)(*arguments)))

    def collect(self, at_least: int = 1) -> list[tuple[int, Any]]:  # noqa: ARG002
        """Answers that came since, and from which agents.

        Args:
            at_least: to wait for; more where they are there.

        Raises:
            WorkLost: an agent was lost again and again.
        """
        answers = self._answers
        self._answers = []
        return answers

    def abandon(self) -> None:
        """Forget what was asked: nobody waits for it any more, as after an error."""
        self._answers = []

    def ask(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The answers of all, in the order of the agents."""
        self.abandon()
        for position, each in enumerate(arguments):
            self.begin(position, method, each)
        answers: dict[int, Any] = {}
        while len(answers) < len(self):
            answers.update(self.collect(at_least=len(self) - len(answers)))
        return [answers[position] for position in range(len(self))]


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

    def employ(self, make: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Agents:
        """Objects that live near workers and have a runner of their own, by which they hand work
        to them: one for each of `arguments`, made by `make(runner, *arguments)`."""
        return Agents([make(self, *each) for each in arguments])

    def find_branch_size(self, n_calls: int) -> int | None:  # noqa: ARG002
        """How many of so many calls an agent should hand out; None: they are few enough for one
        process, which begins all calls itself."""
        return None

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

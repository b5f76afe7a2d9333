"""Agents on Ray: actors that hand calls to workers, each for a branch of a large job.

One process can begin about a thousand calls a second. So where a job has more workers than that
allows, actors near the workers begin the calls, and the driver asks the actors: thirty-two of them
for a thousand workers. They take no core, since they only wait.

An actor that is lost, with its process or its node, is made anew elsewhere and asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from meta_trainer.runners.base import Agents, WorkLost
from meta_trainer.runners.ray_tensors import register_tensors

MAX_LOSSES: Final = 4
"""Of one agent while it has one question."""

Handles = tuple[Any, ...]


@dataclass(frozen=True)
class _Question:
    """What an agent was asked, so that it can be asked again."""

    position: int
    method: str
    arguments: Handles
    n_losses: int = 0


class RayAgents(Agents):
    """Objects of any kind, each in an actor."""

    def __init__(
        self,
        make: Callable[..., Any],
        arguments: Sequence[Handles],
        *,
        make_runner: Callable[[], Any],
        wait: Callable[[list[Any], int], list[Any]],
    ) -> None:
        """
        Args:
            make: of one object, from its runner and its arguments.
            make_runner: of the runner that each has.
            wait: which of these references are there; waits a moment for so many, and sees to
                whatever else is due.
        """
        self._make = make
        self._arguments = list(arguments)
        self._make_runner = make_runner
        self._wait = wait
        self._waiting: dict[Any, _Question] = {}
        super().__init__([self._begin_process(each) for each in self._arguments])

    def begin(self, position: int, method: str, arguments: Handles) -> None:
        self._ask(_Question(position, method, arguments))

    def collect(self, at_least: int = 1) -> list[tuple[int, Any]]:
        answers: list[tuple[int, Any]] = []
        while len(answers) < at_least:
            ended = self._wait(list(self._waiting), at_least - len(answers))
            for reference, value in zip(ended, _get_values(ended), strict=True):
                question = self._waiting.pop(reference)
                if isinstance(value, RayActorError):
                    self._ask_anew(question, value)
                else:
                    answers.append((question.position, value))
        return answers

    def abandon(self) -> None:
        self._waiting = {}

    def _ask(self, question: _Question) -> None:
        agent = self._agents[question.position]
        reference = agent.ask.remote(question.method, list(question.arguments))
        self._waiting[reference] = question

    def _ask_anew(self, question: _Question, error: RayActorError) -> None:
        """Another actor, asked the same; one that cannot be reached may still be alive."""
        n_losses = question.n_losses + 1
        if n_losses >= MAX_LOSSES:
            raise WorkLost(f"an agent was lost {n_losses} times: {error}") from error
        ray.kill(self._agents[question.position])
        arguments = self._arguments[question.position]
        self._agents[question.position] = self._begin_process(arguments)
        self._ask(replace(question, n_losses=n_losses))

    def _begin_process(self, arguments: Handles) -> Any:
        return _ACTOR.remote(self._make, list(arguments), self._make_runner)


class AgentProcess:
    """The object, in an actor. References come within a list, so that they stay references: a
    value that many workers take is fetched once by each of their nodes, and not through here."""

    def __init__(
        self, make: Callable[..., Any], arguments: list[Any], make_runner: Callable[[], Any]
    ) -> None:
        register_tensors()
        self._agent = make(make_runner(), *arguments)

    def ask(self, method: str, arguments: list[Any]) -> Any:
        return getattr(self._agent, method)(*arguments)


_ACTOR: Final[Any] = ray.remote(num_cpus=0, max_restarts=0, scheduling_strategy="SPREAD")(
    AgentProcess
)


def _get_values(references: list[Any]) -> list[Any]:
    """What the agents answered; in place of an answer, that its agent was lost."""
    try:
        return list(ray.get(references))
    except RayError:
        return [_get_value(reference) for reference in references]


def _get_value(reference: Any) -> Any:
    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise _unwrap(error) from error
    except RayActorError as error:
        return error


def _unwrap(error: RayTaskError) -> BaseException:
    """What the agent raised: its own error, or that what it needed is gone for good."""
    cause = error.cause
    if isinstance(cause, RayError):
        return WorkLost(f"an agent's work was lost: {cause}")
    return cause if isinstance(cause, BaseException) else error

"""What an executor promises; every one passes `tests/services/executors/contract.py`.

An executor runs one process under an id that its caller chose. Submission can be repeated: whatever
happens in between, one id is run at most once. Its status tells whether a process lives, never
whether a job succeeded: that stands in the attempt's own `done.json`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Final, Literal

ProcessStatus = Literal["pending", "running", "succeeded", "failed", "unknown"]

ENDED: Final[frozenset[ProcessStatus]] = frozenset({"succeeded", "failed", "unknown"})
"""No process of this id is alive or on its way."""

REQUEST_SECONDS: Final = 10.0
"""Limit of one request to an executor on another machine.

A submission that took longer is found at the next try.
"""


class ExecutorUnavailable(Exception):
    """The executor does not answer now; nothing is known about any process. Worth another try."""


class Executor(ABC):
    """Every method may raise ExecutorUnavailable."""

    @abstractmethod
    def check(self) -> None:
        """Look whether a process can be submitted now.

        Raises:
            ExecutorUnavailable: it cannot; with a message for people.
        """

    @abstractmethod
    def submit(self, process_id: str, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the process, unless this id was ever submitted.

        `environment` is added to the executor's own (`services.executors.surroundings`).
        """

    @abstractmethod
    def status(self, process_id: str) -> ProcessStatus:
        """`unknown`: never submitted, or forgotten; either way nothing of it runs."""

    @abstractmethod
    def stop(self, process_id: str) -> None:
        """Ask it to end (SIGTERM). Harmless when it has ended, or never was."""

    @abstractmethod
    def kill(self, process_id: str) -> None:
        """End it now. Harmless when it has ended, or never was."""

    @abstractmethod
    def log(self, process_id: str, after: int = 0) -> bytes:
        """What it wrote to stdout and stderr, from byte `after` on; empty when there is none."""

    def list_nodes(self) -> Sequence[Mapping[str, float]]:
        """What each node has in all, by Ray's names of resources; empty: nothing is known."""
        return ()

    def close(self) -> None:
        """Let go of connections; processes go on."""

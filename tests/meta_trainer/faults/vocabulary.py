"""What may go wrong, said in a line: `kill(worker=1, at_period=3)`.

A fault is inflicted from outside, on processes found by what they do; nothing of it is in the code
that is tested. The periods of a training are counted from 1, by a runner that stands before the
real one and passes everything on. A period in which something is to happen to those who work at it
is held at a gate until it has: of chunks of milliseconds, a node may otherwise have none at the
moment, or no other.
"""

from __future__ import annotations

import functools
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meta_trainer.runners import Handle, Runner
from meta_trainer.runners.base import EventListener
from meta_trainer.training.units import run_period
from tests.meta_trainer.faults.cluster import Nodes, Slowed


@dataclass(frozen=True)
class Fault:
    name: str
    at_period: int
    inflict: Callable[[Faulty], None]
    before_chunk: int | None = None
    """Inflicted before the period of this chunk begins; None: while the period is under way."""
    at_work: bool = False
    """Whether the period is held until then."""


def kill(*, worker: int, at_period: int) -> Fault:
    """kill -9 of the process that works on this node."""

    def inflict(faulty: Faulty) -> None:
        os.kill(faulty.nodes.busy_worker(worker), signal.SIGKILL)

    return Fault(f"kill worker {worker}", at_period, inflict, at_work=True)


def kill_node(*, node: int, at_period: int) -> Fault:
    """The end of a node at work, with its object store."""

    def inflict(faulty: Faulty) -> None:
        faulty.nodes.busy_worker(node)
        faulty.nodes.kill(node)

    return Fault(f"kill node {node}", at_period, inflict, at_work=True)


def lose_state(*, chunk: int, at_period: int) -> Fault:
    """The end of the node that holds the only copy of a chunk's state, before the period that needs
    it."""

    def inflict(faulty: Faulty) -> None:
        faulty.nodes.kill(faulty.nodes.node_of(faulty.states[chunk].reference))

    return Fault(f"lose the state of chunk {chunk}", at_period, inflict, before_chunk=chunk)


def slow(*, worker: int, factor: float, at_period: int) -> Fault:
    """The process that works on this node gets 1 / `factor` of its time from then on."""

    def inflict(faulty: Faulty) -> None:
        faulty.slowed.append(Slowed(faulty.nodes.busy_worker(worker), factor))

    return Fault(f"slow down worker {worker} {factor:g} times", at_period, inflict, at_work=True)


def lose_all_nodes(*, at_period: int) -> Fault:
    """The end of every worker node."""

    def inflict(faulty: Faulty) -> None:
        for node in faulty.nodes.numbers:
            faulty.nodes.kill(node)

    return Fault("lose all nodes", at_period, inflict)


def restart_head(*, at_period: int) -> Fault:
    """kill -9 of Ray's head process, which is started again."""
    return Fault("restart head", at_period, lambda faulty: faulty.nodes.restart_head())


def join(*, at_period: int) -> Fault:
    """A node more."""
    return Fault(
        "join", at_period, lambda faulty: faulty.nodes.restore(len(faulty.nodes.numbers) + 1)
    )


class Faulty(Runner):
    """Another runner, to whose cluster faults happen in their periods, once each."""

    def __init__(self, runner: Runner, nodes: Nodes, faults: Sequence[Fault]) -> None:
        self._runner = runner
        self.nodes = nodes
        self._faults = list(faults)
        self.states: dict[int, Handle] = {}
        """Of chunks, as their newest period was given them."""
        self.slowed: list[Slowed] = []
        self.inflicted: list[str] = []
        self._period = 0

    def put(self, value: Any) -> Handle:
        return self._runner.put(value)

    def call(
        self, function: Callable[..., Any], *arguments: Any, n_returns: int = 1
    ) -> tuple[Handle, ...]:
        if function is run_period:
            *_, chunk, state, _kernel = arguments
            self._period += chunk == 0
            self.states[chunk] = state
            self._inflict(before_chunk=chunk)
            if any(fault.at_work and fault.at_period == self._period for fault in self._faults):
                function = behind(self._gate, function)
        return self._runner.call(function, *arguments, n_returns=n_returns)

    def get(self, handles: Sequence[Handle]) -> list[Any]:
        self._inflict(before_chunk=None)
        self._gate.touch()
        return self._runner.get(handles)

    def _inflict(self, before_chunk: int | None) -> None:
        due = [
            f for f in self._faults if (f.at_period, f.before_chunk) == (self._period, before_chunk)
        ]
        for fault in due:
            self._faults.remove(fault)
            fault.inflict(self)
            self.inflicted.append(fault.name)

    @property
    def _gate(self) -> Path:
        """That of the period, open once there is such a file."""
        return self.nodes.folder / f"{id(self)}-{self._period}"

    @property
    def n_workers(self) -> int:
        return self._runner.n_workers

    def listen(self, listener: EventListener) -> None:
        self._runner.listen(listener)

    def close(self) -> None:
        for slowed in self.slowed:
            slowed.end()


@functools.cache
def behind(gate: Path, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which begins once there is this file."""

    @functools.wraps(function)
    def held(*arguments: Any) -> Any:
        while not gate.exists():
            time.sleep(0.01)
        return function(*arguments)

    return held

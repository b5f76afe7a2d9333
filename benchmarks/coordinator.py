"""The meta-training loop with many workers that only wait: how much of their time does the
coordinator waste?

The loop is `MetaTraining` itself; the runner stands for n workers that answer a period's call after
one second, with a gradient that costs nothing. All an update takes beyond that second is the
coordinator's: calls, sums, the step of Θ.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.jobs import images, spec
from benchmarks.laps import laps
from benchmarks.rows import Effort, Measured, Row
from meta_trainer.runners import Handle, Runner
from meta_trainer.tasks import as_task_source
from meta_trainer.training.initial_theta import initial_theta
from meta_trainer.training.units import PeriodOutcome, ValidationOutcome, run_period

WORKERS = (16, 64, 256)


@dataclass(frozen=True)
class _Later:
    """A value that is there from a moment on."""

    value: Any
    moment: float


class WaitingRunner(Runner):
    """Each period's call takes a worker of its own for so many seconds, and gives a gradient of
    noise."""

    def __init__(
        self, n_workers: int, period_seconds: float, n_theta: int, chunk_size: int
    ) -> None:
        self._free = [0.0] * n_workers
        self._period_seconds, self._n_theta, self._chunk_size = period_seconds, n_theta, chunk_size
        self._generator = torch.Generator().manual_seed(0)

    def put(self, value: Any) -> Handle:
        return _Later(value, 0.0)

    def call(
        self, function: Callable[..., Any], *arguments: Any, n_returns: int = 1
    ) -> tuple[Handle, ...]:
        if function is not run_period:
            return (_Later(ValidationOutcome(torch.ones(1, 1)), 0.0),)
        gradient = torch.randn(self._n_theta, generator=self._generator)
        outcome = PeriodOutcome(gradient, torch.ones(self._chunk_size))
        worker = min(range(len(self._free)), key=self._free.__getitem__)
        state = arguments[-1]
        begin = max(time.perf_counter(), self._free[worker], state.moment if state else 0.0)
        self._free[worker] = begin + self._period_seconds
        return _Later(outcome, self._free[worker]), _Later("state", self._free[worker])

    def get(self, handles: Sequence[Handle]) -> list[Any]:
        time.sleep(max(0.0, max(handle.moment for handle in handles) - time.perf_counter()))
        return [handle.value for handle in handles]

    @property
    def n_workers(self) -> int:
        return len(self._free)


def _efficiency(n_workers: int) -> Callable[[Effort], Measured]:
    def measure(effort: Effort) -> Measured:
        period_seconds, chunk_size = (0.02, 1) if effort.tiny else (1.0, 2)
        job = spec(tiny=effort.tiny, n_learners=n_workers * chunk_size, chunk_size=chunk_size)
        n_theta = len(initial_theta(job))
        runner = WaitingRunner(n_workers, period_seconds, n_theta, chunk_size)
        taken = laps(job, as_task_source(images()), runner)
        return Measured(
            [period_seconds / t for t in taken], f"ideal: {period_seconds:g} s an update"
        )

    return measure


ROWS = [
    Row(
        name=f"coordinator-{n}",
        what=f"loop with {n} workers that wait",
        compared_with="ideal (efficiency)",
        better="above",
        at_least=0.85,
        aim=0.95,
        measure=_efficiency(n),
    )
    for n in WORKERS
]

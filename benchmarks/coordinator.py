"""The meta-training loop with many workers that only wait: what does the coordinator waste?

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

from benchmarks.jobs import draw_images, make_spec
from benchmarks.laps import measure_laps
from benchmarks.rows import Effort, Measured, Row
from meta_trainer.runners import Handle, Runner
from meta_trainer.tasks import as_task_source
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import PeriodOutcome, ValidationOutcome, run_period

WORKERS = (16, 64, 256)


@dataclass(frozen=True)
class _Promise:
    """A value that is there from a moment on."""

    value: Any
    moment: float


class WaitingRunner(Runner):
    """Each period's call takes one worker for so many seconds, and gives the same gradient."""

    def __init__(
        self, n_workers: int, period_seconds: float, n_theta: int, chunk_size: int
    ) -> None:
        self._free_from = [0.0] * n_workers
        """The moment from which each worker has nothing to do."""
        self._period_seconds = period_seconds
        self._n_theta = n_theta
        self._chunk_size = chunk_size
        generator = torch.Generator().manual_seed(0)
        self._gradient = torch.randn(n_theta, generator=generator)

    def put(self, value: Any) -> Handle:
        return _Promise(value, 0.0)

    def call(
        self, function: Callable[..., Any], *arguments: Any, n_returns: int = 1
    ) -> tuple[Handle, ...]:
        if function is not run_period:
            return (_Promise(ValidationOutcome(torch.ones(1, 1)), 0.0),)
        outcome = PeriodOutcome(self._gradient, torch.ones(self._chunk_size))

        worker = min(range(self.n_workers), key=self._free_from.__getitem__)
        state = arguments[5]
        state_moment = state.moment if state else 0.0
        begin = max(time.perf_counter(), self._free_from[worker], state_moment)
        end = begin + self._period_seconds
        self._free_from[worker] = end
        return _Promise(outcome, end), _Promise("state", end)

    def get(self, handles: Sequence[Handle]) -> list[Any]:
        moment = max(handle.moment for handle in handles)
        time.sleep(max(0.0, moment - time.perf_counter()))
        return [handle.value for handle in handles]

    @property
    def n_workers(self) -> int:
        return len(self._free_from)


def _efficiency(n_workers: int) -> Callable[[Effort], Measured]:
    def measure(effort: Effort) -> Measured:
        period_seconds = 0.02 if effort.tiny else 1.0
        chunk_size = 1 if effort.tiny else 2
        job = make_spec(tiny=effort.tiny, n_learners=n_workers * chunk_size, chunk_size=chunk_size)
        n_theta = len(make_initial_theta(job))

        runner = WaitingRunner(n_workers, period_seconds, n_theta, chunk_size)
        laps = measure_laps(job, as_task_source(draw_images()), runner)
        efficiencies = [period_seconds / seconds for seconds in laps]
        return Measured(efficiencies, f"ideal: {period_seconds:g} s an update")

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

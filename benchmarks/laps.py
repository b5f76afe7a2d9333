"""How long each update of a meta-training takes, and how much of that is work.

A recorder of the training takes the times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from meta_trainer.recorder import Recorder
from meta_trainer.runners import Handle, Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import TaskSource
from meta_trainer.training.loop import MetaTraining
from meta_trainer.training.units import run_period


class LapRecorder(Recorder):
    """Time from update to update; from the end of a validation to the update after it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.seconds: list[float] = []
        self._clock = clock
        self._last = clock()

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        if "meta_loss" in values:
            now = self._clock()
            self.seconds.append(now - self._last)
            self._last = now

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind == "validation":
            self._last = self._clock()

    def checkpoint(self, update: int, data: bytes) -> None:
        """Not kept."""

    def artifact(self, path: str, data: bytes) -> None:
        """Not kept."""


def measure_laps(
    spec: MetaTrainingSpec,
    source: TaskSource,
    runner: Runner,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Seconds of each update of a whole training."""
    recorder = LapRecorder(clock)
    MetaTraining(spec, source, runner, recorder).run()
    return recorder.seconds


class MeteredRunner(Runner):
    """Another runner, with the processor time that periods take wherever they run."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._seconds: list[Handle] = []

    def put(self, value: Any) -> Handle:
        return self._runner.put(value)

    def call(
        self, function: Callable[..., Any], *arguments: Any, n_returns: int = 1
    ) -> tuple[Handle, ...]:
        if function is not run_period:
            return self._runner.call(function, *arguments, n_returns=n_returns)
        *results, seconds = self._runner.call(_timed_period, *arguments, n_returns=n_returns + 1)
        self._seconds.append(seconds)
        return tuple(results)

    def get(self, handles: Sequence[Handle]) -> list[Any]:
        return self._runner.get(handles)

    @property
    def n_workers(self) -> int:
        return self._runner.n_workers

    def processor_seconds(self) -> float:
        """Of all periods so far."""
        return float(sum(self._runner.get(self._seconds)))


def _timed_period(*arguments: Any) -> tuple[Any, Any, float]:
    begin = time.process_time()
    outcome, state = run_period(*arguments)
    return outcome, state, time.process_time() - begin

"""Runners that stand for workers which only wait: what is left of an update is the coordinator's.

`AnsweringRunner` stands for agents, too: a branch's answer is there at once. `SleepingRunner` is a
real runner whose workers sleep instead of working.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks.coordinator import WaitingRunner
from meta_trainer.runners import Agents, Handle, Runner
from meta_trainer.training.branches import Course, PackedOutcomes
from meta_trainer.training.handles import JobHandles
from meta_trainer.training.units import (
    PeriodOutcome,
    ValidationOutcome,
    run_period,
    run_validation,
)


class AnsweringRunner(WaitingRunner):
    """Workers that answer at once, in branches of so many chunks."""

    def __init__(
        self, n_workers: int, n_theta: int, chunk_size: int, branch_size: int | None
    ) -> None:
        super().__init__(n_workers, 0.0, n_theta, chunk_size)
        self._branch_size = branch_size

    def find_branch_size(self, n_calls: int) -> int | None:
        return self._branch_size

    def employ(self, make: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Agents:
        del make
        return Agents([_Answering(len(chunks), *self._sizes) for _, chunks in arguments])

    @property
    def _sizes(self) -> tuple[int, int]:
        return self._n_theta, self._chunk_size


class _Answering:
    """Stands for a branch."""

    def __init__(self, n_chunks: int, n_theta: int, chunk_size: int) -> None:
        generator = torch.Generator().manual_seed(0)
        gradient = torch.randn(n_chunks, n_theta, generator=generator)
        self._packed = PackedOutcomes(gradient, torch.ones(n_chunks, chunk_size), ())

    def run_period(self, course: Course) -> PackedOutcomes:
        del course
        return self._packed


class SleepingRunner(Runner):
    """Another runner, whose workers sleep for a period's time and give a gradient of ones."""

    def __init__(self, runner: Runner, seconds: float, n_theta: int, chunk_size: int) -> None:
        self._runner = runner
        self._sizes = (seconds, n_theta, chunk_size)

    def put(self, value: Any) -> Handle:
        return self._runner.put(value)

    def call(
        self, function: Callable[..., Any], *arguments: Any, n_returns: int = 1
    ) -> tuple[Handle, ...]:
        if function is run_validation:
            return (self._runner.put(ValidationOutcome(torch.ones(1, 1))),)
        if function is run_period:
            return self._runner.call(sleep_through_period, *self._sizes, n_returns=n_returns)
        return self._runner.call(function, *arguments, n_returns=n_returns)

    def get(self, handles: Sequence[Handle]) -> list[Any]:
        return self._runner.get(handles)

    def employ(self, make: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Agents:
        return self._runner.employ(partial(_make_sleeping, make, self._sizes), arguments)

    def find_branch_size(self, n_calls: int) -> int | None:
        return self._runner.find_branch_size(n_calls)

    @property
    def n_workers(self) -> int:
        return self._runner.n_workers


def sleep_through_period(
    seconds: float, n_theta: int, chunk_size: int
) -> tuple[PeriodOutcome, int]:
    """In place of `run_period`."""
    time.sleep(seconds)
    return PeriodOutcome(torch.ones(n_theta), torch.ones(chunk_size)), 0


def _make_sleeping(
    make: Callable[..., Any],
    sizes: tuple[float, int, int],
    runner: Runner,
    job: JobHandles,
    chunks: Sequence[int],
) -> Any:
    return make(SleepingRunner(runner, *sizes), job, chunks)

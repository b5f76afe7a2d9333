"""Learners side by side in one worker: periods of chunks of several sizes, by `run_period`."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import cache

import torch

from benchmarks.jobs import draw_images, make_spec
from benchmarks.measuring import divide, measure_seconds
from benchmarks.rows import Effort, Measured, NotMeasured, Row
from meta_trainer.tasks import as_task_source
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import run_period

SIZES = (1, 4, 16)
MOST_ROUNDS = 3
"""Each does 42 periods of a learner."""


def _make_period(n_learners: int, tiny: bool) -> Callable[[], object]:
    """The first period of an episode of one chunk."""
    job = make_spec(tiny=tiny, n_learners=n_learners, chunk_size=n_learners)
    source = as_task_source(draw_images())
    theta = make_initial_theta(job)
    return lambda: run_period(job, source, theta, 0, 0, None)


@cache
def _measure_periods(effort: Effort) -> dict[int, list[float]]:
    """Seconds of one period of a chunk of each of `SIZES`, in turn.

    Each runs once before it is timed, every time: the largest chunk's memory may have pushed the
    others' out.
    """
    periods = {size: _make_period(size, effort.tiny) for size in SIZES}
    seconds: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(min(effort.rounds, MOST_ROUNDS)):
        for size, period in periods.items():
            period()
            seconds[size].append(measure_seconds(period))
    return seconds


def _batched(n_learners: int) -> Callable[[Effort], Measured]:
    def measure(effort: Effort) -> Measured:
        seconds = _measure_periods(effort)
        median = statistics.median(seconds[1])
        speedups = divide(seconds[1], seconds[n_learners], factor=n_learners)
        return Measured(speedups, f"one: {median:.2f} s a period")

    return measure


def _batched_gpu(effort: Effort) -> Measured:
    raise NotMeasured("units of work run on CPU cores" if torch.cuda.is_available() else "no GPU")


ROWS = [
    *(
        Row(
            name=f"batched-{n}",
            what=f"{n} learners in one chunk",
            compared_with="one at a time (speedup)",
            better="above",
            at_least=1.0,
            aim=1.5,
            measure=_batched(n),
        )
        for n in SIZES[1:]
    ),
    Row(
        name="batched-gpu",
        what="16 learners in one chunk, GPU",
        compared_with="one at a time (speedup)",
        better="above",
        at_least=1.0,
        aim=10.0,
        measure=_batched_gpu,
    ),
]

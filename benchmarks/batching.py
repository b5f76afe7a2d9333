"""Learners side by side in one worker, and what a learner costs in memory: both by `run_period` itself."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch

from benchmarks.jobs import images, spec
from benchmarks.rows import Effort, Measured, NotMeasured, Row, ratios, seconds
from meta_trainer.tasks import source_of
from meta_trainer.training import initial_theta
from meta_trainer.work import run_period

SIZES = (1, 4, 16)
PERIODS = (1, 5, 25)
"""T = 20, 100 and 500 steps."""


def _periods(n_learners: int, tiny: bool, n_periods: int = 1) -> Callable[[], None]:
    """The first periods of an episode of one chunk."""
    job = spec(tiny=tiny, n_learners=n_learners, chunk_size=n_learners)
    source, theta = source_of(images()), initial_theta(job)

    def run() -> None:
        state = None
        for _ in range(n_periods):
            _, state = run_period(job, source, theta, 0, 0, state)

    return run


@cache
def _batched_times(effort: Effort) -> list[list[float]]:
    """Seconds of one period of a chunk of each of `SIZES`, in turn.

    Each runs once before it is timed, every time: the largest chunk's memory may have pushed the others' out.
    """
    works = [_periods(n, effort.tiny) for n in SIZES]
    times: list[list[float]] = [[] for _ in works]
    for _ in range(effort.rounds):
        for work, taken in zip(works, times, strict=True):
            work()
            taken.append(seconds(work))
    return times


def _batched(n_learners: int) -> Callable[[Effort], Measured]:
    def measure(effort: Effort) -> Measured:
        times = _batched_times(effort)
        one = statistics.median(times[0])
        return Measured(ratios(times[0], times[SIZES.index(n_learners)], n_learners), f"one: {one:.2f} s a period")

    return measure


def _batched_gpu(effort: Effort) -> Measured:
    raise NotMeasured("units of work run on CPU cores" if torch.cuda.is_available() else "no GPU")


def _growth(effort: Effort) -> Measured:
    """Peak memory of long episodes over that of one period."""
    peaks = [_peak_bytes(n, effort.tiny) for n in PERIODS[: 2 if effort.tiny else None]]
    return Measured([peak / peaks[0] for peak in peaks[1:]], f"one period: {peaks[0] / 2**20:.0f} MiB")


def _peak_bytes(n_periods: int, tiny: bool) -> int:
    """What an episode of one learner adds to the memory of a fresh process."""
    command = [sys.executable, "-m", "benchmarks.batching", str(n_periods), *(["tiny"] if tiny else [])]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _report_peak(n_periods: int, tiny: bool) -> None:
    run = _periods(1, tiny, n_periods)
    before = _peak()
    run()
    print(max(_peak() - before, 2**20))  # less is noise


def _peak() -> int:
    """Largest memory of this process so far, in bytes. What `getrusage` tells on Linux begins with the parent's."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    lines = (line.split() for line in status.read_text().splitlines())
    return next(int(words[1]) * 1024 for words in lines if words[0] == "VmHWM:")


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
    Row(
        name="memory",
        what="peak of T = 100 and 500 steps",
        compared_with="peak of one period, T = 20",
        at_least=1.1,
        aim=1.02,
        measure=_growth,
    ),
]

if __name__ == "__main__":
    _report_peak(int(sys.argv[1]), "tiny" in sys.argv[2:])

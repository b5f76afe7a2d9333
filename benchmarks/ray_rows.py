"""What Ray costs with one worker, and what a second worker gains: whole updates of `MetaTraining`,
wall time.

Wall time, because the work is spread over processes: these rows say something only on a machine
that is otherwise idle. The processor time of the periods, printed beside them, says whether the
units themselves got dearer.
"""

from __future__ import annotations

import os
import statistics
from functools import cache
from typing import NamedTuple

from torch import Tensor

from benchmarks.jobs import images, spec
from benchmarks.laps import Metered, laps
from benchmarks.rows import Effort, Measured, Row, ratios
from meta_trainer.runners import InProcessRunner, Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import TaskSource, as_task_source
from meta_trainer.training.initial_theta import initial_theta
from meta_trainer.training.units import run_period

MOST_ROUNDS = 3
"""A round is three episodes of 40 learner-periods, a learner's taking 0.2 to 0.4 seconds of one
core."""


class Episodes(NamedTuple):
    """The updates of one episode, by the way they were run and by round."""

    wall_seconds: dict[str, list[float]]
    processor_seconds: dict[str, list[float]]
    """Of the periods alone."""


@cache
def _episodes(effort: Effort) -> Episodes:
    """In process, on Ray with one worker and with two, in turn."""
    import ray

    from meta_trainer.runners.ray_runner import RayRunner

    job, source = spec(tiny=effort.tiny), as_task_source(images())
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        configure_logging=False,
        log_to_driver=False,
    )
    try:
        runners: dict[str, Runner] = {
            "in process": InProcessRunner(),
            "one worker": RayRunner(cpus_per_call=2),  # of two cores, so one call at a time
            "two workers": RayRunner(),
        }
        found = Episodes({name: [] for name in runners}, {name: [] for name in runners})
        for _ in range(min(effort.rounds, MOST_ROUNDS)):
            for name, runner in runners.items():
                _warm_up(job, source, runner)
                metered = Metered(runner)
                found.wall_seconds[name].append(sum(laps(job, source, metered)))
                found.processor_seconds[name].append(metered.processor_seconds())
    finally:
        ray.shutdown()
    return found


def _warm_up(job: MetaTrainingSpec, source: TaskSource, runner: Runner) -> None:
    """Let every worker do a period: a new one imports torch, loads the kernel and takes its memory
    first.

    Before every measurement: Ray ends a worker that has had nothing to do for a while, as the
    second one has while the others have their turn, and a new one takes as long to come as two
    updates.
    """
    handles, warm = [runner.put(value) for value in (job, source, initial_theta(job))], set[int]()
    while len(warm) < runner.n_workers:
        calls = [runner.call(_rehearsal, *handles)[0] for _ in range(runner.n_workers)]
        warm.update(runner.get(calls))


def _rehearsal(job: MetaTrainingSpec, source: TaskSource, theta: Tensor) -> int:
    """Two periods, the second from the state of the first; the process that did them."""
    state = None
    for _ in range(2):
        _, state = run_period(job, source, theta, 0, 0, state)
    return os.getpid()


def _processor_time(episodes: Episodes, way: str) -> str:
    inflation = ratios(episodes.processor_seconds[way], episodes.processor_seconds["in process"])
    return f"processor time of the periods: {statistics.median(inflation):.2f} × in process"


def _one_worker(effort: Effort) -> Measured:
    episodes = _episodes(effort)
    wall = episodes.wall_seconds
    return Measured(
        ratios(wall["one worker"], wall["in process"]), _processor_time(episodes, "one worker")
    )


def _two_workers(effort: Effort) -> Measured:
    episodes = _episodes(effort)
    wall = episodes.wall_seconds
    return Measured(
        ratios(wall["one worker"], wall["two workers"]), _processor_time(episodes, "two workers")
    )


ROWS = [
    Row(
        name="ray-1",
        what="Ray, one worker",
        compared_with="in process",
        at_least=1.10,
        aim=1.03,
        measure=_one_worker,
    ),
    Row(
        name="ray-2",
        what="Ray, two workers",
        compared_with="one worker (speedup)",
        better="above",
        at_least=1.7,
        aim=1.9,
        measure=_two_workers,
    ),
]

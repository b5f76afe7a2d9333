"""What Ray costs with one worker, and what a second worker gains: whole updates of `MetaTraining`.

Times are wall times, because the work is spread over processes: these rows say something only on a
machine that is otherwise idle. The processor time of the periods, printed beside them, says whether
the units themselves got dearer.
"""

from __future__ import annotations

import os
import statistics
from functools import cache
from typing import NamedTuple

from torch import Tensor

from benchmarks.jobs import draw_images, make_spec
from benchmarks.laps import MeteredRunner, measure_laps
from benchmarks.local_ray import local_ray
from benchmarks.measuring import divide
from benchmarks.rows import Effort, Measured, Row
from meta_trainer.runners import InProcessRunner, Runner
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import TaskSource, as_task_source
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import run_period

MOST_ROUNDS = 3
"""A round is three episodes of 40 learner-periods, each of 0.2 to 0.4 seconds of one core."""


class Episodes(NamedTuple):
    """The updates of one episode, by the way they were run and by round."""

    wall_seconds: dict[str, list[float]]
    processor_seconds: dict[str, list[float]]
    """Of the periods alone."""


@cache
def _measure_episodes(effort: Effort) -> Episodes:
    """In process, on Ray with one worker and with two, in turn."""
    from meta_trainer.runners.ray_runner import RayRunner

    job = make_spec(tiny=effort.tiny)
    source = as_task_source(draw_images())
    with local_ray(n_cpus=2):
        runners: dict[str, Runner] = {
            "in process": InProcessRunner(),
            "one worker": RayRunner(cpus_per_call=2),  # of two cores, so one call at a time
            "two workers": RayRunner(),
        }
        episodes = Episodes({name: [] for name in runners}, {name: [] for name in runners})
        for _ in range(min(effort.rounds, MOST_ROUNDS)):
            for name, runner in runners.items():
                _warm_up(job, source, runner)
                metered = MeteredRunner(runner)
                laps = measure_laps(job, source, metered)
                episodes.wall_seconds[name].append(sum(laps))
                episodes.processor_seconds[name].append(metered.processor_seconds())
    return episodes


def _warm_up(job: MetaTrainingSpec, source: TaskSource, runner: Runner) -> None:
    """Let every worker do a period.

    A new worker first imports torch, loads the kernel and takes its memory. This is done before
    every measurement: Ray ends a worker that has had nothing to do for a while, as the second one
    has while the others have their turn, and a new one takes as long to come as two updates.
    """
    handles = [runner.put(value) for value in (job, source, make_initial_theta(job))]
    warm_processes: set[int] = set()
    while len(warm_processes) < runner.n_workers:
        calls = [runner.call(_rehearse, *handles)[0] for _ in range(runner.n_workers)]
        warm_processes.update(runner.get(calls))


def _rehearse(job: MetaTrainingSpec, source: TaskSource, theta: Tensor) -> int:
    """Two periods, the second from the state of the first; the process that did them."""
    state = None
    for _ in range(2):
        _, state = run_period(job, source, theta, 0, 0, state)
    return os.getpid()


def _describe_processor_time(episodes: Episodes, way: str) -> str:
    seconds = episodes.processor_seconds
    inflation = statistics.median(divide(seconds[way], seconds["in process"]))
    return f"processor time of the periods: {inflation:.2f} × in process"


def _measure_one_worker(effort: Effort) -> Measured:
    episodes = _measure_episodes(effort)
    wall = episodes.wall_seconds
    costs = divide(wall["one worker"], wall["in process"])
    return Measured(costs, _describe_processor_time(episodes, "one worker"))


def _measure_two_workers(effort: Effort) -> Measured:
    episodes = _measure_episodes(effort)
    wall = episodes.wall_seconds
    speedups = divide(wall["one worker"], wall["two workers"])
    return Measured(speedups, _describe_processor_time(episodes, "two workers"))


ROWS = [
    Row(
        name="ray-1",
        what="Ray, one worker",
        compared_with="in process",
        at_least=1.10,
        aim=1.03,
        measure=_measure_one_worker,
    ),
    Row(
        name="ray-2",
        what="Ray, two workers",
        compared_with="one worker (speedup)",
        better="above",
        at_least=1.7,
        aim=1.9,
        measure=_measure_two_workers,
    ),
]

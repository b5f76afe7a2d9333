"""What Ray costs with one worker, and what a second worker gains: whole updates of `MetaTraining`, wall time.

Wall time, because the work is spread over processes: these rows say something only on a machine that is otherwise
idle.
"""

from __future__ import annotations

import statistics
from functools import cache

from benchmarks.jobs import images, spec
from benchmarks.laps import laps
from benchmarks.rows import Effort, Measured, Row, ratios
from meta_trainer.runners import InProcessRunner, Runner
from meta_trainer.tasks import source_of


@cache
def _times(effort: Effort) -> dict[str, list[float]]:
    """Seconds of the updates of an episode in process, on Ray with one worker and with two, in turn, by round."""
    import ray

    from meta_trainer.runners.ray_runner import RayRunner

    job, source = spec(tiny=effort.tiny), source_of(images())
    ray.init(address="local", num_cpus=2, include_dashboard=False, configure_logging=False, log_to_driver=False)
    try:
        runners: dict[str, Runner] = {
            "in process": InProcessRunner(),
            "one worker": RayRunner(cpus_per_call=2),  # of two cores, so one call at a time
            "two workers": RayRunner(),
        }
        if effort.rounds > 1:
            laps(spec(tiny=True), source, runners["two workers"])  # starts the workers
        rounds = [
            {name: sum(laps(job, source, runner)) for name, runner in runners.items()} for _ in range(effort.rounds)
        ]
    finally:
        ray.shutdown()
    return {name: [taken[name] for taken in rounds] for name in runners}


def _one_worker(effort: Effort) -> Measured:
    times = _times(effort)
    floor = f"in process: {statistics.median(times['in process']):.1f} s an episode"
    return Measured(ratios(times["one worker"], times["in process"]), floor)


def _two_workers(effort: Effort) -> Measured:
    times = _times(effort)
    floor = f"one worker: {statistics.median(times['one worker']):.1f} s an episode"
    return Measured(ratios(times["one worker"], times["two workers"]), floor)


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

"""How the coordinator's work grows with the number of workers: `python -m benchmarks.scaling`.

An update of Θ with n workers, one chunk each, takes

    T(n) = P + a + (b + r) n

    P   the period of a chunk
    a   what an update costs, whatever n
    b   what a chunk costs the loop: its share of calls, sums and reports
    r   what a call costs Ray's client

a and b are fitted to `MetaTraining` itself with workers that answer at once; r is measured on a
real Ray with calls of the same size that do nothing. All three are processor time of the
coordinator, which other work on the machine does not change much. Wall time of real workers is what
`make bench` measures (`ray-1`, `ray-2`). docs/scaling.md tells the results.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from benchmarks.coordinator import WaitingRunner
from benchmarks.jobs import draw_images, make_spec
from benchmarks.laps import measure_laps
from benchmarks.local_ray import local_ray
from benchmarks.measuring import measure_in_turn
from meta_trainer.tasks import as_task_source
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import PeriodOutcome

WORKERS = (16, 32, 64, 128, 256)
CHUNK_SIZE = 2
ROUNDS = 3
PREDICTED = (2, 16, 64, 256, 1000)


@dataclass(frozen=True, kw_only=True)
class Model:
    """T(n) = P + a + (b + r) n, in seconds."""

    fixed: float
    """a."""
    chunk: float
    """b."""
    call: float
    """r."""

    def loop_seconds(self, n: int) -> float:
        """What the loop takes of an update with n workers, without Ray's calls."""
        return self.fixed + self.chunk * n

    def coordinator_seconds(self, n: int) -> float:
        """What the coordinator adds to an update with n workers."""
        return self.fixed + (self.chunk + self.call) * n

    def efficiency(self, n: int, period_seconds: float) -> float:
        """Share of the workers' time that is work."""
        return period_seconds / (period_seconds + self.coordinator_seconds(n))


def measure_loop(n_workers: int) -> float:
    """Processor seconds of an update with workers that answer at once."""
    job = make_spec(tiny=False, n_learners=n_workers * CHUNK_SIZE, chunk_size=CHUNK_SIZE)
    runner = WaitingRunner(n_workers, 0.0, len(make_initial_theta(job)), CHUNK_SIZE)
    source = as_task_source(draw_images())
    return statistics.median(measure_laps(job, source, runner, clock=time.process_time))


def measure_call(n_calls: int = 256) -> float:
    """Processor seconds of Ray's client for a call of a period that does nothing.

    The call takes and gives what that of a period does.
    """
    from meta_trainer.runners.ray_runner import RayRunner

    with local_ray(n_cpus=1):
        runner = RayRunner()
        theta = runner.put(make_initial_theta(make_spec(tiny=False)))

        def call_all(n: int) -> None:
            calls = [runner.call(run_empty_period, theta, n_returns=2)[0] for _ in range(n)]
            runner.get(calls)

        [seconds] = measure_in_turn(ROUNDS, partial(call_all, n_calls))
    return statistics.median(seconds) / n_calls


def run_empty_period(theta: torch.Tensor) -> tuple[PeriodOutcome, int]:
    """A period without work."""
    return PeriodOutcome(theta, torch.ones(CHUNK_SIZE)), 0


def fit(seconds_by_workers: Mapping[int, float], call: float) -> Model:
    """Least squares of a + b n, weighted so that the relative errors count."""
    workers = np.array(list(seconds_by_workers))
    seconds = np.array(list(seconds_by_workers.values()))
    chunk, fixed = np.polyfit(workers, seconds, 1, w=1 / seconds)
    return Model(fixed=float(fixed), chunk=float(chunk), call=call)


def measure_medians(measure: Callable[[int], float], workers: Sequence[int]) -> dict[int, float]:
    """Medians over rounds; in each, all numbers of workers have their turn."""
    rounds = [{n: measure(n) for n in workers} for _ in range(ROUNDS)]
    return {n: statistics.median(seconds[n] for seconds in rounds) for n in workers}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--period-seconds", type=float, default=1.0, help="P")
    options = parser.parse_args()
    torch.set_num_threads(1)

    seconds = measure_medians(measure_loop, WORKERS)
    model = fit(seconds, measure_call())
    print_table(seconds, model, options.period_seconds)


def print_table(seconds: Mapping[int, float], model: Model, period_seconds: float) -> None:
    n_bytes = 4 * len(make_initial_theta(make_spec(tiny=False)))
    print(f"Θ, and each chunk's meta-gradient: {n_bytes} bytes")
    print(
        f"a = {1e3 * model.fixed:.2f} ms, "
        f"b = {1e3 * model.chunk:.3f} ms, "
        f"r = {1e3 * model.call:.3f} ms"
    )
    print(
        "| workers | loop, measured | loop, model | with Ray's calls | efficiency "
        "| bytes to the coordinator |"
    )
    print("|---|---|---|---|---|---|")
    for n in sorted({*WORKERS, *PREDICTED}):
        cells = [
            f"{n}",
            f"{1e3 * seconds[n]:.1f} ms" if n in seconds else "–",
            f"{1e3 * model.loop_seconds(n):.1f} ms",
            f"{1e3 * model.coordinator_seconds(n):.0f} ms",
            f"{model.efficiency(n, period_seconds):.3f}",
            f"{n * n_bytes / 1e6:.2f} MB",
        ]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

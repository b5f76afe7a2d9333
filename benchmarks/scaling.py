"""How the coordinator's work grows with the number of workers: `python -m benchmarks.scaling`; see
docs/scaling.md.

An update of Θ with n workers, one chunk each, takes T(n) = P + a + (b + r) n: P the period of a
chunk; a what an update costs whatever n; b what a chunk costs the loop (its share of calls, sums
and reports), r what a call costs Ray's client. a and b are fitted to `MetaTraining` itself with
workers that answer at once, r is measured on a real Ray with calls of the same size that do
nothing. All three are processor time of the coordinator, which other work on the machine does not
change much; wall time of real workers is what `make bench` measures (`ray-1`, `ray-2`).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.coordinator import WaitingRunner
from benchmarks.jobs import images, spec
from benchmarks.laps import laps
from meta_trainer.tasks import as_task_source
from meta_trainer.training.initial_theta import initial_theta
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

    def coordinator(self, n: int) -> float:
        """What the coordinator adds to an update with n workers."""
        return self.fixed + (self.chunk + self.call) * n

    def efficiency(self, n: int, period_seconds: float) -> float:
        """Share of the workers' time that is work."""
        return period_seconds / (period_seconds + self.coordinator(n))


def loop_seconds(n_workers: int) -> float:
    """Processor time of an update with workers that answer at once."""
    job = spec(tiny=False, n_learners=n_workers * CHUNK_SIZE, chunk_size=CHUNK_SIZE)
    runner = WaitingRunner(n_workers, 0.0, len(initial_theta(job)), CHUNK_SIZE)
    return statistics.median(laps(job, as_task_source(images()), runner, clock=time.process_time))


def call_seconds(n_calls: int = 256) -> float:
    """Processor time of Ray's client for a call that takes and gives what a period does, and does
    nothing."""
    import ray

    from meta_trainer.runners.ray_runner import RayRunner

    ray.init(
        address="local",
        num_cpus=1,
        include_dashboard=False,
        configure_logging=False,
        log_to_driver=False,
    )
    try:
        runner, theta = RayRunner(), initial_theta(spec(tiny=False))
        handle = runner.put(theta)
        runner.get([runner.call(nothing, handle, n_returns=2)[0]])  # starts the worker
        taken = []
        for _ in range(ROUNDS):
            began = time.process_time()
            runner.get([runner.call(nothing, handle, n_returns=2)[0] for _ in range(n_calls)])
            taken.append((time.process_time() - began) / n_calls)
    finally:
        ray.shutdown()
    return statistics.median(taken)


def nothing(theta: torch.Tensor) -> tuple[PeriodOutcome, int]:
    """A period without work."""
    return PeriodOutcome(theta, torch.ones(CHUNK_SIZE)), 0


def fit(seconds: Mapping[int, float], call: float) -> Model:
    """Least squares of a + b n, weighted so that the relative errors count."""
    workers = np.array(list(seconds))
    taken = np.array(list(seconds.values()))
    chunk, fixed = np.polyfit(workers, taken, 1, w=1 / taken)
    return Model(fixed=float(fixed), chunk=float(chunk), call=call)


def measured(measure: Callable[[int], float], workers: Sequence[int]) -> dict[int, float]:
    """Medians over rounds; in each, all numbers of workers have their turn."""
    rounds = [{n: measure(n) for n in workers} for _ in range(ROUNDS)]
    return {n: statistics.median(one[n] for one in rounds) for n in workers}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--period-seconds", type=float, default=1.0, help="P")
    given = parser.parse_args()
    torch.set_num_threads(1)
    seconds = measured(loop_seconds, WORKERS)
    model = fit(seconds, call_seconds())
    n_bytes = 4 * len(initial_theta(spec(tiny=False)))
    print(f"Θ, and each chunk's meta-gradient: {n_bytes} bytes")
    print(
        f"a = {1e3 * model.fixed:.2f} ms, b = {1e3 * model.chunk:.3f} ms, r = {1e3 * model.call:.3f} ms"
    )
    print(
        "| workers | loop, measured | loop, model | with Ray's calls | efficiency | bytes to the coordinator |"
    )
    print("|---|---|---|---|---|---|")
    for n in sorted({*WORKERS, *PREDICTED}):
        own = f"{1e3 * seconds[n]:.1f} ms" if n in seconds else "–"
        share = model.efficiency(n, given.period_seconds)
        print(
            f"| {n} | {own} | {1e3 * (model.fixed + model.chunk * n):.1f} ms | {1e3 * model.coordinator(n):.0f} ms "
            f"| {share:.3f} | {n * n_bytes / 1e6:.2f} MB |"
        )


if __name__ == "__main__":
    main()

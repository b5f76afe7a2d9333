"""What a thousand workers cost their coordinator: `python -m benchmarks.scaling`.

An update of Θ with n workers, one chunk each, in branches of k chunks, takes

    T(n) = P + L(n) + q n/k + (r + c) k + 3 h + B n / W

    P   the period of a chunk
    L   what the loop takes: handles, sum, step of Θ, reports; measured at every n
    q   what an agent's question and answer cost Ray's client
    r   what a call costs Ray's client, which the agents have, all at once
    c   what a chunk costs its agent besides: its share of lists and packing
    h   from a question to its answer where nothing else waits; three such ways follow each other
    B   bytes of a chunk's gradient
    W   bytes a second that the coordinator's network takes, 10 Gbit/s; nothing here measures it

and without branches T(n) = P + L(n) + r n + 2 h + B n / W. L, q, r and c are processor time, all
threads of a process together, which other work on the machine does not change much; h is the
shortest of 400. `--real` measures wall times of 1 to 8 real workers on this machine, which sleep.
docs/scaling.md tells the results.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Final

import torch

from benchmarks.coordinator import WaitingRunner
from benchmarks.jobs import draw_images, make_spec
from benchmarks.laps import measure_laps
from benchmarks.local_ray import local_ray
from benchmarks.measuring import measure_in_turn
from benchmarks.uneven import compute_efficiency
from benchmarks.waiting import AnsweringRunner, SleepingRunner
from meta_trainer.runners.ray_runner import MANY_CALLS, RayRunner
from meta_trainer.tasks import as_task_source
from meta_trainer.training.branches import Branch, Course, PackedOutcomes
from meta_trainer.training.handles import JobHandles
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import PeriodOutcome

WORKERS: Final = (16, 32, 64, 128, 256, 512, 1024)
REAL_WORKERS: Final = (1, 2, 4, 8)
SPREADS: Final = (0.0, 0.05, 0.1, 0.2)
STALENESS: Final = (1, 2, 4)
CHUNK_SIZE: Final = 2
ROUNDS: Final = 3
N_HOPS: Final = 400
NETWORK_BYTES_PER_SECOND: Final = 10e9 / 8
N_THETA: Final = len(make_initial_theta(make_spec(tiny=False)))
CHUNK_BYTES: Final = 4 * N_THETA


@dataclass(frozen=True, kw_only=True)
class RayCosts:
    """In seconds."""

    call: float
    """r."""
    question: float
    """q, of a branch of `branch_size` chunks."""
    branch_size: int
    hop: float
    """h."""


@dataclass(frozen=True, kw_only=True)
class Update:
    """What the coordinator and Ray add to the period of an update, in seconds."""

    n_workers: int
    branch_size: int | None
    loop: float
    """L(n)."""
    of_coordinator: float
    """Of Ray's client there."""
    of_agents: float
    """Of each agent, all at once."""
    hops: float
    network: float

    @property
    def added(self) -> float:
        return self.loop + self.of_coordinator + self.of_agents + self.hops + self.network

    def compute_efficiency(self, period_seconds: float) -> float:
        """Share of the workers' time that is work."""
        return period_seconds / (period_seconds + self.added)


def choose_branch_size(n_workers: int) -> int | None:
    """As `RayRunner.find_branch_size` does on a cluster that large."""
    return math.isqrt(n_workers - 1) + 1 if n_workers >= MANY_CALLS else None


def measure_loop(n_workers: int, branch_size: int | None) -> float:
    """Processor seconds of an update with workers that answer at once."""
    job = make_spec(tiny=False, n_learners=n_workers * CHUNK_SIZE, chunk_size=CHUNK_SIZE)
    runner = AnsweringRunner(n_workers, N_THETA, CHUNK_SIZE, branch_size)
    source = as_task_source(draw_images())
    return statistics.median(measure_laps(job, source, runner, clock=time.process_time))


def measure_agent(branch_size: int) -> float:
    """Processor seconds of an agent for a period of its branch, but for Ray's."""
    job = make_spec(tiny=False, n_learners=branch_size * CHUNK_SIZE, chunk_size=CHUNK_SIZE)
    runner = WaitingRunner(branch_size, 0.0, N_THETA, CHUNK_SIZE)
    branch = Branch(runner, JobHandles(job, None, None), range(branch_size))
    theta = runner.put(make_initial_theta(job))
    episodes = count()

    def run() -> None:
        branch.run_period(Course(next(episodes), 0, None, (theta,)))

    [seconds] = measure_in_turn(9, run)
    return statistics.median(seconds)


def measure_ray(branch_size: int) -> RayCosts:
    """What Ray's client costs, on a Ray of this machine."""
    with local_ray(n_cpus=1):
        runner = RayRunner()
        theta = runner.put(make_initial_theta(make_spec(tiny=False)))
        agents = runner.employ(Idle, [(branch_size,)] * 2)

        def call_all(n: int) -> None:
            calls = [runner.call(run_empty_period, theta, n_returns=2)[0] for _ in range(n)]
            runner.get(calls)

        def ask_all(n: int) -> None:
            for _ in range(n):
                agents.ask("run_period", [(None,), (None,)])

        call_all(8)
        ask_all(2)
        calls, questions = measure_in_turn(ROUNDS, partial(call_all, 256), partial(ask_all, 32))
        hops = [measure_wall(partial(call_all, 1)) for _ in range(N_HOPS)]
    return RayCosts(
        call=statistics.median(calls) / 256,
        question=statistics.median(questions) / 64,
        branch_size=branch_size,
        hop=min(hops),
    )


class Idle:
    """Stands for a branch on Ray: its answer is as long."""

    def __init__(self, runner: RayRunner, n_chunks: int) -> None:
        del runner
        outcome = PeriodOutcome(torch.ones(N_THETA), torch.ones(CHUNK_SIZE))
        self._outcomes = [outcome] * n_chunks

    def run_period(self, course: Any) -> PackedOutcomes:
        del course
        return PackedOutcomes.pack(self._outcomes)


def run_empty_period(theta: torch.Tensor) -> tuple[PeriodOutcome, int]:
    """A period without work."""
    return PeriodOutcome(theta, torch.ones(CHUNK_SIZE)), 0


def measure_wall(action: Callable[[], None]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def simulate(n_workers: int, branch_size: int | None, ray: RayCosts, agent: float) -> Update:
    """One row of the table; `agent` is c k for `ray.branch_size`."""
    loop = statistics.median(measure_loop(n_workers, branch_size) for _ in range(ROUNDS))
    n_ways = 2 if branch_size is None else 3
    of_coordinator = ray.call * n_workers
    of_agents = 0.0
    if branch_size is not None:
        of_coordinator = ray.question * math.ceil(n_workers / branch_size)
        of_agents = (ray.call + agent / ray.branch_size) * branch_size
    return Update(
        n_workers=n_workers,
        branch_size=branch_size,
        loop=loop,
        of_coordinator=of_coordinator,
        of_agents=of_agents,
        hops=n_ways * ray.hop,
        network=n_workers * CHUNK_BYTES / NETWORK_BYTES_PER_SECOND,
    )


def measure_real(period_seconds: float) -> dict[str, float]:
    """Median wall seconds of an update with workers that sleep for a period, by their number."""
    seconds = {}
    with local_ray(n_cpus=max(REAL_WORKERS)):
        for n_workers in REAL_WORKERS:
            ways = [None] if n_workers < 8 else [None, 4]
            for branch_size in ways:
                name = f"{n_workers}" if branch_size is None else f"{n_workers}, in branches of 4"
                seconds[name] = _measure_real(n_workers, branch_size, period_seconds)
    return seconds


def _measure_real(n_workers: int, branch_size: int | None, period_seconds: float) -> float:
    job = make_spec(tiny=False, n_learners=n_workers * CHUNK_SIZE, chunk_size=CHUNK_SIZE)
    runner = SleepingRunner(RayRunner(branch_size=branch_size), period_seconds, N_THETA, CHUNK_SIZE)
    source = as_task_source(draw_images())
    measure_laps(job, source, runner)  # workers start, and import torch
    return statistics.median(measure_laps(job, source, runner))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--period-seconds", type=float, default=1.0, help="P")
    parser.add_argument("--real", action="store_true", help="real workers that sleep, instead")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, ", end="")
    print(f"load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}")
    if options.real:
        print_real(measure_real(options.period_seconds), options.period_seconds)
        return

    branch_size = choose_branch_size(max(WORKERS))
    assert branch_size is not None
    ray = measure_ray(branch_size)
    agent = measure_agent(branch_size)
    print_costs(ray, agent)
    rows = []
    for n_workers in WORKERS:
        rows.append(simulate(n_workers, None, ray, agent))
        size = choose_branch_size(n_workers)
        if size is not None:
            rows.append(simulate(n_workers, size, ray, agent))
    print_table(rows, options.period_seconds)
    print_uneven(rows[-1])


def print_costs(ray: RayCosts, agent: float) -> None:
    print(f"Θ, and each chunk's meta-gradient: {CHUNK_BYTES} bytes")
    print(
        f"r = {1e3 * ray.call:.2f} ms, q = {1e3 * ray.question:.2f} ms for {ray.branch_size} "
        f"chunks, c = {1e3 * agent / ray.branch_size:.3f} ms, h = {1e3 * ray.hop:.1f} ms"
    )


def print_table(rows: Sequence[Update], period_seconds: float) -> None:
    print(
        "| workers | in branches of | loop | Ray, coordinator | agents | ways | network | in all "
        f"| efficiency at P = {period_seconds:g} s | at P = {10 * period_seconds:g} s |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        parts = (row.loop, row.of_coordinator, row.of_agents, row.hops, row.network, row.added)
        cells = [
            f"{row.n_workers:,}",
            f"{row.branch_size or '–'}",
            *(f"{1e3 * part:.1f} ms" for part in parts),
            f"{row.compute_efficiency(period_seconds):.3f}",
            f"{row.compute_efficiency(10 * period_seconds):.3f}",
        ]
        print(f"| {' | '.join(cells)} |")


def print_uneven(update: Update) -> None:
    n_workers = update.n_workers
    print(f"\nEfficiency with {n_workers:,} workers and periods of a second that vary:")
    print(
        "| spread of a period | all wait | "
        + " | ".join(f"staleness {s}" for s in STALENESS)
        + " |"
    )
    print("|---" * (2 + len(STALENESS)) + "|")
    for spread in SPREADS:
        values = [
            compute_efficiency(n_workers, spread, staleness, update.added)
            for staleness in (0, *STALENESS)
        ]
        print(f"| {spread:.0%} | " + " | ".join(f"{value:.3f}" for value in values) + " |")


def print_real(seconds: dict[str, float], period_seconds: float) -> None:
    print("| workers | an update | beyond the period | efficiency |")
    print("|---|---|---|---|")
    for name, value in seconds.items():
        beyond = 1e3 * (value - period_seconds)
        print(f"| {name} | {value:.3f} s | {beyond:.0f} ms | {period_seconds / value:.3f} |")


if __name__ == "__main__":
    main()

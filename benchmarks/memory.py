"""What a learner costs in memory: peaks of fresh processes that do one thing each.

Even a tape that computes all else again keeps the state of every step, 6 J numbers a coordinate:
that is the floor. However long an episode is, only the period under way is on the tape.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from hyperadam.rules import HyperAdamSpec

from benchmarks import period_ways
from benchmarks.jobs import draw_images, make_spec
from benchmarks.measuring import measure_added_bytes
from benchmarks.rows import Effort, Measured, Row
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import as_task_source, build_training_optimizee
from meta_trainer.training.initial_theta import make_initial_theta
from meta_trainer.training.units import run_period

N_BATCHED = 4
LONG_PERIOD_STEPS = 100


def _make_job(tiny: bool, n_learners: int, period_steps: int | None) -> MetaTrainingSpec:
    """One chunk; its period has the usual length if `period_steps` is None."""
    fields: dict[str, Any] = {"n_learners": n_learners, "chunk_size": n_learners}
    if period_steps is not None:
        fields["unroll"] = {"horizon": period_steps, "period": period_steps}
    return make_spec(tiny=tiny, **fields)


def _run_periods(
    tiny: bool, *, n_learners: int = 1, n_periods: int = 1, period_steps: int | None = None
) -> None:
    """The first periods of an episode of one chunk."""
    job = _make_job(tiny, n_learners, period_steps)
    source = as_task_source(draw_images())
    theta = make_initial_theta(job)
    state = None
    for _ in range(n_periods):
        _, state = run_period(job, source, theta, 0, 0, state)


def _run_plain_unroll(tiny: bool) -> None:
    """The usual period with the learner in the meta-graph, never a smaller one."""
    period_ways.unroll_plainly(period_ways.Setting.draw(1))


WORKS: dict[str, Callable[[bool], None]] = {
    "period": _run_periods,
    "T=100": partial(_run_periods, n_periods=5),
    "T=500": partial(_run_periods, n_periods=25),
    "long period": partial(_run_periods, period_steps=LONG_PERIOD_STEPS),
    "batched": partial(_run_periods, n_learners=N_BATCHED),
    "plain": _run_plain_unroll,
}


@cache
def _measure_works(tiny: bool) -> dict[str, int]:
    """Bytes that each of the works adds to a process that has only imported this module."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with context.Pool(1, maxtasksperchild=1) as pool:
        added = pool.starmap(_measure_work, [(name, tiny) for name in WORKS], chunksize=1)
        pool.close()
        pool.join()
    return dict(zip(WORKS, added, strict=True))


def _measure_work(name: str, tiny: bool) -> int:
    torch.set_num_threads(1)
    added = measure_added_bytes(partial(WORKS[name], tiny))
    return max(added, 2**20)  # less is noise


def _format_mebibytes(n_bytes: float) -> str:
    return f"{n_bytes / 2**20:.0f} MiB"


def _measure_growth(effort: Effort) -> Measured:
    added = _measure_works(effort.tiny)
    one_period = added["period"]
    ratios = [added[name] / one_period for name in ("T=100", "T=500")]
    return Measured(ratios, f"one period: {_format_mebibytes(one_period)}")


def _over_states(name: str, period_steps: int | None) -> Callable[[Effort], Measured]:
    def measure(effort: Effort) -> Measured:
        job = _make_job(effort.tiny, 1, period_steps)
        assert isinstance(job.rule, HyperAdamSpec)
        optimizee = build_training_optimizee(job, as_task_source(draw_images()), 0, 0)
        p = optimizee.start().shape[-1]
        states = 4 * 6 * job.rule.n_candidates * p * job.period_of(0)

        added = _measure_works(effort.tiny)[name]
        text = f"{_format_mebibytes(added)}; states: {_format_mebibytes(states)}"
        return Measured([added / states], text)

    return measure


def _measure_batched(effort: Effort) -> Measured:
    added = _measure_works(effort.tiny)
    a_learner = added["batched"] / N_BATCHED
    return Measured([a_learner / added["period"]], f"{_format_mebibytes(a_learner)} a learner")


def _measure_plain(effort: Effort) -> Measured:
    added = _measure_works(effort.tiny)
    plain = added["plain"]
    return Measured([plain / added["period"]], f"plain unroll: {_format_mebibytes(plain)}")


ROWS = [
    Row(
        name="memory",
        what="peak of T = 100 and 500 steps",
        compared_with="peak of one period, T = 20",
        at_least=1.1,
        aim=1.02,
        measure=_measure_growth,
    ),
    Row(
        name="tape-20",
        what="peak of a learner's period, 20 steps",
        compared_with="its states alone",
        measure=_over_states("period", None),
    ),
    Row(
        name=f"tape-{LONG_PERIOD_STEPS}",
        what=f"the same, {LONG_PERIOD_STEPS} steps",
        compared_with="its states alone",
        measure=_over_states("long period", LONG_PERIOD_STEPS),
    ),
    Row(
        name=f"tape-batched-{N_BATCHED}",
        what=f"peak a learner, {N_BATCHED} in one chunk",
        compared_with="one alone",
        measure=_measure_batched,
    ),
    Row(
        name="tape-plain",
        what="peak of the plain unroll",
        compared_with="that of the fused period",
        better="above",
        measure=_measure_plain,
    ),
]

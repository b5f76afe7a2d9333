"""What a learner costs in memory: peaks of fresh processes that do one thing each.

A tape that computes everything else again still keeps the state of every step, 6 J numbers a
coordinate: that is the floor. And however long an episode is, only the period under way is on the
tape.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from functools import cache, partial

import torch
from hyperadam.rules import HyperAdamSpec

from benchmarks import period
from benchmarks.jobs import images, spec
from benchmarks.rows import Effort, Measured, Row, peak_bytes
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks import as_task_source, build_training_optimizee
from meta_trainer.training.initial_theta import initial_theta
from meta_trainer.training.units import run_period

N_BATCHED = 4
LONG_PERIOD_STEPS = 100


def _job(tiny: bool, n_learners: int, period_steps: int | None) -> MetaTrainingSpec:
    """One chunk; its period is the usual one if none is given."""
    unroll = (
        {}
        if period_steps is None
        else {"unroll": {"horizon": period_steps, "period": period_steps}}
    )
    return spec(tiny=tiny, n_learners=n_learners, chunk_size=n_learners, **unroll)


def _periods(
    tiny: bool, *, n_learners: int = 1, n_periods: int = 1, period_steps: int | None = None
) -> None:
    """The first periods of an episode of one chunk."""
    job, source, state = _job(tiny, n_learners, period_steps), as_task_source(images()), None
    theta = initial_theta(job)
    for _ in range(n_periods):
        _, state = run_period(job, source, theta, 0, 0, state)


def _plain(tiny: bool) -> None:
    """The usual period with the learner in the meta-graph, never a smaller one."""
    period.plain_unroll(period.Setting.draw(1))


WORKS: dict[str, Callable[[bool], None]] = {
    "period": _periods,
    "T=100": partial(_periods, n_periods=5),
    "T=500": partial(_periods, n_periods=25),
    "long period": partial(_periods, period_steps=LONG_PERIOD_STEPS),
    "batched": partial(_periods, n_learners=N_BATCHED),
    "plain": _plain,
}


@cache
def _added(tiny: bool) -> dict[str, int]:
    """Bytes that each of the works adds to the peak of a process that has only imported this
    module."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with context.Pool(1, maxtasksperchild=1) as pool:
        added = pool.starmap(_measure, [(name, tiny) for name in WORKS], chunksize=1)
        pool.close()
        pool.join()
    return dict(zip(WORKS, added, strict=True))


def _measure(name: str, tiny: bool) -> int:
    torch.set_num_threads(1)
    before = peak_bytes()
    WORKS[name](tiny)
    return max(peak_bytes() - before, 2**20)  # less is noise


def _mebibytes(n_bytes: float) -> str:
    return f"{n_bytes / 2**20:.0f} MiB"


def _growth(effort: Effort) -> Measured:
    added = _added(effort.tiny)
    return Measured(
        [added[name] / added["period"] for name in ("T=100", "T=500")],
        f"one period: {_mebibytes(added['period'])}",
    )


def _over_states(name: str, period_steps: int | None) -> Callable[[Effort], Measured]:
    def measure(effort: Effort) -> Measured:
        job = _job(effort.tiny, 1, period_steps)
        p = build_training_optimizee(job, as_task_source(images()), 0, 0).start().shape[-1]
        assert isinstance(job.rule, HyperAdamSpec)
        states = 4 * 6 * job.rule.n_candidates * p * job.period_of(0)
        added = _added(effort.tiny)[name]
        return Measured([added / states], f"{_mebibytes(added)}; states: {_mebibytes(states)}")

    return measure


def _batched(effort: Effort) -> Measured:
    added = _added(effort.tiny)
    each = added["batched"] / N_BATCHED
    return Measured([each / added["period"]], f"{_mebibytes(each)} a learner")


def _plain_over_ours(effort: Effort) -> Measured:
    added = _added(effort.tiny)
    return Measured(
        [added["plain"] / added["period"]], f"plain unroll: {_mebibytes(added['plain'])}"
    )


ROWS = [
    Row(
        name="memory",
        what="peak of T = 100 and 500 steps",
        compared_with="peak of one period, T = 20",
        at_least=1.1,
        aim=1.02,
        measure=_growth,
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
        measure=_batched,
    ),
    Row(
        name="tape-plain",
        what="peak of the plain unroll",
        compared_with="that of the fused period",
        better="above",
        measure=_plain_over_ours,
    ),
]

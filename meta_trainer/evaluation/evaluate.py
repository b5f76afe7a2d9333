"""An evaluation: tune the baselines, run every optimizer from the same starts, put the numbers
together in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from hyperadam.rates import Rate
from hyperadam.theta import Theta

from meta_trainer.evaluation.ablation import read_variants
from meta_trainer.evaluation.cell_queue import Cell, CellQueue
from meta_trainer.evaluation.contestants import list_contestants
from meta_trainer.evaluation.data import EvaluationData
from meta_trainer.evaluation.kernels import find_kernels
from meta_trainer.evaluation.outcomes import OutcomeCache
from meta_trainer.evaluation.plan import Plan
from meta_trainer.evaluation.plan_run import PlanRun
from meta_trainer.evaluation.rate_trials import rate_at
from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.timing import time_updates
from meta_trainer.evaluation.tuning_cache import TuningCache
from meta_trainer.evaluation.untrained import FindVersion, StartUnknown, rebuild_start
from meta_trainer.recorder import Recorder
from meta_trainer.runners import Runner
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.baselines import BASELINES, UntunedBaseline
from meta_trainer.specs.suites import SUITES


def evaluate(
    spec: EvaluationSpec,
    thetas: Mapping[str, Theta],
    data: EvaluationData,
    runner: Runner,
    recorder: Recorder,
    should_stop: Callable[[], bool] = lambda: False,
    cache: TuningCache | None = None,
    outcome_cache: OutcomeCache | None = None,
    find_version: FindVersion = lambda _: None,
    kernels: Mapping[str, str] | None = None,
) -> Report:
    """Run the spec's suite.

    Args:
        thetas: the learned optimizers under the names that the report gives them, in its order.
        data: as `EvaluationData.load(spec, …)` gives it.
        cache: where tuned rates are looked up and kept; None: every rate is tuned anew.
        outcome_cache: where what became of starts is; None: all of them run anew.
        find_version: finds versions that these were trained from, to make their starts again.
        kernels: what is to run the optimizers, as `find_kernels` gave it before; None: what the
            workers have.

    Raises:
        KernelMissing: no worker has one of these kernels.
        Stopped: `should_stop` said so between two cells.
        PackageMissing: a baseline's package is not installed.
        NotAnAblation: the suite is one, and the versions cannot be compared by what it varies.
    """
    suite = SUITES[spec.suite]
    variants = read_variants(suite, thetas)
    in_order = {name: thetas[name] for name in variants or thetas}
    if kernels is None:
        kernels = find_kernels(thetas, runner)

    def open_queue(n_cells: int) -> CellQueue:
        return CellQueue(runner, recorder, should_stop, n_cells)

    unknown_starts: dict[str, str] = {}
    if suite.measure == "seconds per update":
        rows = _time_optimizers(spec, in_order, data, kernels, open_queue)
    else:
        starts, unknown_starts = _rebuild_starts(spec, in_order, find_version)
        contestants = list_contestants(spec, in_order, starts, runner, kernels)
        plan = Plan(spec, contestants, data, runner)
        run = PlanRun(plan, cache or TuningCache(), outcome_cache or OutcomeCache())
        rows = run.carry_out(open_queue)
    return Report(
        spec=spec,
        suite=suite,
        dataset=data.names,
        dataset_fingerprint=data.fingerprint,
        rows=rows,
        variants=variants,
        unknown_starts=unknown_starts,
        kernels=kernels,
    )


def _rebuild_starts(
    spec: EvaluationSpec, thetas: Mapping[str, Theta], find_version: FindVersion
) -> tuple[dict[str, Theta], dict[str, str]]:
    """What the Θ were before meta-training, and why it is not known of the others."""
    starts: dict[str, Theta] = {}
    unknown: dict[str, str] = {}
    if not spec.untrained:
        return starts, unknown
    for name, theta in thetas.items():
        try:
            starts[name] = rebuild_start(theta, find_version)
        except StartUnknown as error:
            unknown[name] = str(error)
    return starts, unknown


def _time_optimizers(
    spec: EvaluationSpec,
    thetas: Mapping[str, Theta],
    data: EvaluationData,
    kernels: Mapping[str, str],
    open_queue: Callable[[int], CellQueue],
) -> list[Row]:
    """One cell for each task, one after the other, so that nothing of ours runs beside what is
    timed."""
    files = {name: theta.to_bytes() for name, theta in thetas.items()}
    queue = open_queue(len(spec.tasks))
    rows: list[Row] = []
    for task in spec.tasks:
        label = f"{task.name}: seconds per update"
        arguments = (task, data.train, spec.seed, files, spec.baselines, spec.n_starts, kernels)
        seconds = queue.run({label: Cell(label, time_updates, arguments)})[label]
        for name, values in seconds.items():
            rows.append(_make_timing_row(task.name, name, thetas.get(name), values))
    return rows


def _make_timing_row(task: str, name: str, theta: Theta | None, seconds: list[float]) -> Row:
    """
    Args:
        theta: of a learned optimizer; None: a baseline.
    """
    return Row(
        task=task,
        optimizer=name,
        learned=None if theta is None else name,
        kind="baseline" if theta is None else "learned",
        rate=theta.rate if theta else Rate(lr=_find_timed_rate(name)),
        finals=torch.tensor(seconds, dtype=torch.float64),
        curves=torch.empty(0, len(seconds), dtype=torch.float64),
    )


def _find_timed_rate(name: str) -> float:
    """The rate that a baseline is timed at."""
    baseline = BASELINES[name]
    if isinstance(baseline, UntunedBaseline):
        return baseline.rate
    return rate_at(baseline.grid[0])

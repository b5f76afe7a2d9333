"""An evaluation: tune the baselines, run every optimizer from the same starts, put the numbers
together in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from hyperadam.rates import Rate
from hyperadam.theta import Theta

from meta_trainer.evaluation.ablation import variants
from meta_trainer.evaluation.cells import Outcome
from meta_trainer.evaluation.data import EvaluationData
from meta_trainer.evaluation.outcomes import OutcomeCache
from meta_trainer.evaluation.plan import Key, Part, Plan
from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.schedule import Cell, Schedule
from meta_trainer.evaluation.timing import time_updates
from meta_trainer.evaluation.tuning import Tuned, TuningCache, rate_of
from meta_trainer.recorder import Recorder
from meta_trainer.runners import Runner
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.baselines import BASELINES
from meta_trainer.specs.suites import SUITES


def evaluate(
    spec: EvaluationSpec,
    thetas: Mapping[str, Theta],
    data: EvaluationData,
    runner: Runner,
    recorder: Recorder,
    should_stop: Callable[[], bool] = lambda: False,
    cache: TuningCache | None = None,
    kept: OutcomeCache | None = None,
) -> Report:
    """Run the spec's suite.

    Args:
        thetas: the learned optimizers under the names that the report gives them, in its order.
        data: as `EvaluationData.load(spec, …)` gives it.
        cache: where tuned rates are looked up and kept; None: every rate is tuned anew.
        kept: where what became of starts is; None: all of them run anew.

    Raises:
        Stopped: `should_stop` said so between two cells.
        NotAnAblation: the suite is one, and the versions cannot be compared by what it varies.
    """
    suite = SUITES[spec.suite]
    found = variants(suite, thetas)
    thetas = {name: thetas[name] for name in found or thetas}
    if suite.measure == "seconds per update":
        rows = _timings(spec, thetas, data, runner, recorder, should_stop)
    else:
        plan = Plan(spec, thetas, data, runner)
        rows = _losses(
            plan, runner, recorder, should_stop, cache or TuningCache(), kept or OutcomeCache()
        )
    return Report(spec, suite, data.names, data.fingerprint, rows, found)


def _losses(
    plan: Plan,
    runner: Runner,
    recorder: Recorder,
    should_stop: Callable[[], bool],
    cache: TuningCache,
    kept: OutcomeCache,
) -> list[Row]:
    contents = plan.tuning_contents()
    tuned = {key: found for key, content in contents.items() if (found := cache.get(content))}
    known = [part for part in plan.parts if part.key in tuned or part.key not in contents]
    outcomes = {part: one for part in known if (one := kept.get(plan.content(part, tuned)))}
    tuning = plan.tuning_cells(tuned)
    missing = [
        parts
        for group in plan.runs()
        if (parts := tuple(part for part in group if part not in outcomes))
    ]
    schedule = Schedule(runner, recorder, should_stop, len(tuning) + len(missing))

    def keep_rates(keys: Sequence[Key], found: Mapping[int, Tuned]) -> None:
        for key, one in zip(keys, found.values(), strict=True):
            cache.put(contents[key], one)
            tuned[key] = one

    def keep_outcomes(parts: Sequence[Part], found: Sequence[Outcome]) -> None:
        for part, one in zip(parts, found, strict=True):
            outcomes[part] = one
            kept.put(plan.content(part, tuned), one)

    schedule.run(tuning, keep_rates)
    schedule.run({parts: plan.cell(parts, tuned) for parts in missing}, keep_outcomes)
    return [plan.row(key, outcomes, tuned) for key in plan.keys]


def _timings(
    spec: EvaluationSpec,
    thetas: Mapping[str, Theta],
    data: EvaluationData,
    runner: Runner,
    recorder: Recorder,
    should_stop: Callable[[], bool],
) -> list[Row]:
    """One cell for each task, one after the other, so that nothing of ours runs beside what is
    timed."""
    files = {name: theta.to_bytes() for name, theta in thetas.items()}
    schedule = Schedule(runner, recorder, should_stop, len(spec.tasks))
    rows: list[Row] = []
    for task in spec.tasks:
        arguments = (task, data.train, spec.seed, files, spec.baselines, spec.n_starts)
        label = f"{task.name}: seconds per update"
        seconds = schedule.run({label: Cell(label, time_updates, arguments)})[label]
        rows += [
            Row(
                task=task.name,
                optimizer=name,
                kind="learned" if name in thetas else "baseline",
                rate=thetas[name].rate
                if name in thetas
                else Rate(lr=rate_of(BASELINES[name].grid[0])),
                finals=torch.tensor(values, dtype=torch.float64),
                curves=torch.empty(0, len(values), dtype=torch.float64),
            )
            for name, values in seconds.items()
        ]
    return rows

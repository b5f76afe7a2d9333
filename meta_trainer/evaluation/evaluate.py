"""An evaluation: tune the baselines, run every optimizer from the same starts, put the numbers together in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

import torch
from hyperadam.theta import Theta

from meta_trainer.evaluation.baselines import BASELINES
from meta_trainer.evaluation.cells import Outcome, Setting, run_baseline, run_learned, run_tuning
from meta_trainer.evaluation.data import EvaluationData
from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.schedule import Cell, Schedule
from meta_trainer.evaluation.timing import time_updates
from meta_trainer.evaluation.tuning import Tuned, TuningCache, rate_of
from meta_trainer.recorder import Recorder
from meta_trainer.runners import Runner
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import SUITES, Task
from meta_trainer.tasks.build import data_of

LEARNED_STARTS_PER_CELL: Final = 4
BASELINE_STARTS_PER_CELL: Final = 20

_Key = tuple[str, str]
"""Names of a task and of an optimizer."""


def evaluate(
    spec: EvaluationSpec,
    thetas: Mapping[str, Theta],
    data: EvaluationData,
    runner: Runner,
    recorder: Recorder,
    should_stop: Callable[[], bool] = lambda: False,
    cache: TuningCache | None = None,
) -> Report:
    """Run the spec's suite.

    Args:
        thetas: the learned optimizers under the names that the report gives them, in its order.
        data: as `EvaluationData.load(spec, …)` gives it.
        cache: where tuned rates are looked up and kept; None: every rate is tuned anew.

    Raises:
        Stopped: `should_stop` said so between two cells.
    """
    suite = SUITES[spec.suite]
    if suite.measure == "seconds per update":
        rows = _timings(spec, thetas, data, runner, recorder, should_stop)
    else:
        rows = _losses(_Plan(spec, thetas, data, runner), runner, recorder, should_stop, cache or TuningCache())
    return Report(spec, suite, data.names, data.fingerprint, rows)


def _losses(
    plan: _Plan, runner: Runner, recorder: Recorder, should_stop: Callable[[], bool], cache: TuningCache
) -> list[Row]:
    tuned = {key: found for key, content in plan.tuning_contents().items() if (found := cache.get(content))}
    tuning = {key: cell for key, cell in plan.tuning_cells().items() if key not in tuned}
    schedule = Schedule(runner, recorder, should_stop, len(tuning) + plan.n_runs)
    for key, found in zip(tuning, schedule.run(list(tuning.values())), strict=True):
        cache.put(plan.tuning_contents()[key], found)
        tuned[key] = found
    runs = plan.runs(tuned)
    outcomes = iter(schedule.run([cell for cells in runs.values() for cell in cells]))
    return [plan.row(key, [next(outcomes) for _ in cells], tuned.get(key)) for key, cells in runs.items()]


def _timings(
    spec: EvaluationSpec,
    thetas: Mapping[str, Theta],
    data: EvaluationData,
    runner: Runner,
    recorder: Recorder,
    should_stop: Callable[[], bool],
) -> list[Row]:
    """One cell for each task, one after the other, so that nothing of ours runs beside what is timed."""
    files = {name: theta.to_bytes() for name, theta in thetas.items()}
    schedule = Schedule(runner, recorder, should_stop, len(spec.tasks))
    rows: list[Row] = []
    for task in spec.tasks:
        arguments = (task, data.train, spec.seed, files, spec.baselines, spec.n_starts)
        (seconds,) = schedule.run([Cell(f"{task.name}: seconds per update", time_updates, arguments)])
        rows += [
            Row(
                task=task.name,
                optimizer=name,
                kind="learned" if name in thetas else "baseline",
                rate=thetas[name].lr if name in thetas else rate_of(BASELINES[name].grid[0]),
                finals=torch.tensor(values, dtype=torch.float64),
                curves=torch.empty(0, len(values), dtype=torch.float64),
            )
            for name, values in seconds.items()
        ]
    return rows


class _Plan:
    """Which cells an evaluation is made of."""

    def __init__(self, spec: EvaluationSpec, thetas: Mapping[str, Theta], data: EvaluationData, runner: Runner) -> None:
        self._spec, self._thetas, self._tasks, self._train = spec, thetas, spec.tasks, data.train
        self._data = runner.put(data)
        self._vectors = {name: runner.put(theta.vector) for name, theta in thetas.items()}

    @property
    def n_runs(self) -> int:
        """Cells beside tuning."""
        n_learned = len(self._thetas) * len(_split(self._spec.n_starts, LEARNED_STARTS_PER_CELL))
        n_baseline = len(self._spec.baselines) * len(_split(self._spec.n_starts, BASELINE_STARTS_PER_CELL))
        return len(self._tasks) * (n_learned + n_baseline)

    def tuning_contents(self) -> dict[_Key, dict[str, Any]]:
        """Everything that decides each tuned rate."""
        return {
            (task.name, name): {
                "dataset": data_of(task.learner, self._train).fingerprint,
                "task": {"name": task.name, **task.learner.model_dump(mode="json")},
                "baseline": BASELINES[name].content(),
                "horizon": task.horizon,
                "seed": self._spec.seed,
                "n_tuning_starts": self._spec.n_tuning_starts,
            }
            for task in self._tasks
            for name in self._spec.baselines
        }

    def tuning_cells(self) -> dict[_Key, Cell]:
        return {
            (task.name, name): Cell(
                f"{task.name}: tune {name}",
                run_tuning,
                (self._setting(task), self._data, self._spec.n_tuning_starts, name),
            )
            for task in self._tasks
            for name in self._spec.baselines
        }

    def runs(self, tuned: Mapping[_Key, Tuned]) -> dict[_Key, list[Cell]]:
        """Task by task, learned optimizers first."""
        runs: dict[_Key, list[Cell]] = {}
        for task in self._tasks:
            for name, theta in self._thetas.items():
                last = (asdict(theta.rule.spec), self._vectors[name], theta.lr)
                runs[task.name, name] = self._cells(task, name, LEARNED_STARTS_PER_CELL, run_learned, *last)
            for name in self._spec.baselines:
                rate = tuned[task.name, name].rate
                runs[task.name, name] = self._cells(task, name, BASELINE_STARTS_PER_CELL, run_baseline, name, rate)
        return runs

    def row(self, key: _Key, outcomes: list[Outcome], tuned: Tuned | None) -> Row:
        task, name = key
        tests = [outcome.test for outcome in outcomes if outcome.test is not None]
        return Row(
            task=task,
            optimizer=name,
            kind="baseline" if tuned else "learned",
            rate=tuned.rate if tuned else self._thetas[name].lr,
            finals=torch.cat([outcome.final_losses for outcome in outcomes]),
            curves=torch.cat([outcome.curves for outcome in outcomes], dim=1),
            test=torch.cat(tests) if tests else None,
            tuned=tuned,
        )

    def _setting(self, task: Task) -> Setting:
        return Setting(task, self._spec.seed)

    def _cells(self, task: Task, name: str, size: int, function: Callable[..., Outcome], *last: Any) -> list[Cell]:
        first, label = (self._setting(task), self._data), f"{task.name}: {name}"
        return [Cell(label, function, (*first, starts, *last)) for starts in _split(self._spec.n_starts, size)]


def _split(n: int, size: int) -> list[range]:
    """0 … n − 1 in ranges of `size`, the last one perhaps shorter."""
    return [range(first, min(first + size, n)) for first in range(0, n, size)]

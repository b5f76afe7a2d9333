"""An evaluation: tune the baselines, run every optimizer from the same starts, put the numbers together in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

import torch
from hyperadam.theta import Theta

from meta_trainer.datasets import Dataset
from meta_trainer.evaluation.baselines import BASELINES
from meta_trainer.evaluation.cells import Outcome, Setting, run_baseline, run_learned, run_tuning
from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.schedule import Cell, Schedule
from meta_trainer.evaluation.suites import SUITES, Task
from meta_trainer.evaluation.tuning import Tuned, TuningCache
from meta_trainer.recorder import Recorder
from meta_trainer.runners import Runner
from meta_trainer.specs import EvaluationSpec

LEARNED_STARTS_PER_CELL: Final = 4
BASELINE_STARTS_PER_CELL: Final = 20

_Key = tuple[str, str]
"""Names of a task and of an optimizer."""


def evaluate(
    spec: EvaluationSpec,
    thetas: Mapping[str, Theta],
    dataset: Dataset,
    runner: Runner,
    recorder: Recorder,
    should_stop: Callable[[], bool] = lambda: False,
    cache: TuningCache | None = None,
) -> Report:
    """Run the spec's suite.

    Args:
        thetas: the learned optimizers under the names that the report gives them, in its order.
        cache: where tuned rates are looked up and kept; None: every rate is tuned anew.

    Raises:
        Stopped: `should_stop` said so between two cells.
    """
    tasks, plan = SUITES[spec.suite].tasks, _Plan(spec, thetas, dataset, runner)
    cache = cache or TuningCache()
    contents: dict[_Key, dict[str, Any]] = {
        (task.name, name): plan.tuning_content(task, name) for task in tasks for name in spec.baselines
    }
    tuned = {key: found for key, content in contents.items() if (found := cache.get(content))}
    tuning: dict[_Key, Cell] = {
        (task.name, name): plan.tuning_cell(task, name)
        for task in tasks
        for name in spec.baselines
        if (task.name, name) not in tuned
    }
    schedule = Schedule(runner, recorder, should_stop, len(tuning) + plan.n_runs)
    for key, found in zip(tuning, schedule.run(list(tuning.values())), strict=True):
        cache.put(contents[key], found)
        tuned[key] = found
    runs = plan.runs(tuned)
    outcomes = iter(schedule.run([cell for cells in runs.values() for cell in cells]))
    rows = [plan.row(key, [next(outcomes) for _ in cells], tuned.get(key)) for key, cells in runs.items()]
    return Report(spec, SUITES[spec.suite], dataset.fingerprint, rows)


class _Plan:
    """Which cells an evaluation is made of."""

    def __init__(self, spec: EvaluationSpec, thetas: Mapping[str, Theta], dataset: Dataset, runner: Runner) -> None:
        self._spec, self._thetas, self._tasks = spec, thetas, SUITES[spec.suite].tasks
        self._fingerprint = dataset.fingerprint
        self._data = runner.put(dataset)
        self._vectors = {name: runner.put(theta.vector) for name, theta in thetas.items()}

    @property
    def n_runs(self) -> int:
        """Cells beside tuning."""
        n_learned = len(self._thetas) * len(_split(self._spec.n_starts, LEARNED_STARTS_PER_CELL))
        n_baseline = len(self._spec.baselines) * len(_split(self._spec.n_starts, BASELINE_STARTS_PER_CELL))
        return len(self._tasks) * (n_learned + n_baseline)

    def tuning_content(self, task: Task, name: str) -> dict[str, Any]:
        """Everything that decides the tuned rate."""
        return {
            "dataset": self._fingerprint,
            "task": task.content(),
            "baseline": BASELINES[name].content(),
            "horizon": self._spec.horizon,
            "seed": self._spec.seed,
            "n_tuning_starts": self._spec.n_tuning_starts,
        }

    def tuning_cell(self, task: Task, name: str) -> Cell:
        arguments = (self._setting(task), self._data, self._spec.n_tuning_starts, name)
        return Cell(f"{task.name}: tune {name}", run_tuning, arguments)

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
        return Row(
            task=task,
            optimizer=name,
            kind="baseline" if tuned else "learned",
            rate=tuned.rate if tuned else self._thetas[name].lr,
            finals=torch.cat([outcome.final_losses for outcome in outcomes]),
            curves=torch.cat([outcome.curves for outcome in outcomes], dim=1),
            tuned=tuned,
        )

    def _setting(self, task: Task) -> Setting:
        return Setting(task, self._spec.horizon, self._spec.seed)

    def _cells(self, task: Task, name: str, size: int, function: Callable[..., Outcome], *last: Any) -> list[Cell]:
        first, label = (self._setting(task), self._data), f"{task.name}: {name}"
        return [Cell(label, function, (*first, starts, *last)) for starts in _split(self._spec.n_starts, size)]


def _split(n: int, size: int) -> list[range]:
    """0 … n − 1 in ranges of `size`, the last one perhaps shorter."""
    return [range(first, min(first + size, n)) for first in range(0, n, size)]

"""An evaluation: tune the baselines, run every optimizer from the same starts, put the numbers together in order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final

import torch
from hyperadam.rates import Rate
from hyperadam.theta import Theta

from meta_trainer.evaluation.ablation import variants
from meta_trainer.evaluation.cells import Outcome, Setting, run_baseline, run_learned, run_tuning
from meta_trainer.evaluation.data import EvaluationData
from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.schedule import Cell, Schedule
from meta_trainer.evaluation.timing import time_updates
from meta_trainer.evaluation.tuning import Tuned, TuningCache, ladder, rate_of
from meta_trainer.recorder import Recorder
from meta_trainer.runners import Runner
from meta_trainer.specs import EvaluationSpec, MLPTaskSpec
from meta_trainer.specs.baselines import BASELINES
from meta_trainer.specs.suites import SUITES, Task
from meta_trainer.tasks.build import data_of

LEARNED_STARTS_PER_CELL: Final = 4
BASELINE_STARTS_PER_CELL: Final = 20

_Key = tuple[str, str]
"""Names of a task and of an optimizer."""
_Keys = tuple[_Key, ...]
"""Those of one stream, by rising horizon."""


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
        NotAnAblation: the suite is one, and the versions cannot be compared by what it varies.
    """
    suite = SUITES[spec.suite]
    found = variants(suite, thetas)
    thetas = {name: thetas[name] for name in found or thetas}
    if suite.measure == "seconds per update":
        rows = _timings(spec, thetas, data, runner, recorder, should_stop)
    else:
        rows = _losses(_Plan(spec, thetas, data, runner), runner, recorder, should_stop, cache or TuningCache())
    return Report(spec, suite, data.names, data.fingerprint, rows, found)


def _losses(
    plan: _Plan, runner: Runner, recorder: Recorder, should_stop: Callable[[], bool], cache: TuningCache
) -> list[Row]:
    contents = plan.tuning_contents()
    tuned = {key: found for key, content in contents.items() if (found := cache.get(content))}
    tuning = plan.tuning_cells(tuned)
    schedule = Schedule(runner, recorder, should_stop, len(tuning) + plan.n_runs)
    for keys, found in zip(tuning, schedule.run(list(tuning.values())), strict=True):
        for (task, name), one in zip(keys, found.values(), strict=True):
            cache.put(contents[task, name], one)
            tuned[task, name] = one
    runs = plan.runs(tuned)
    outcomes = iter(schedule.run([cell for cells in runs.values() for cell in cells]))
    by_key = dict(pair for keys, cells in runs.items() for pair in _outcomes(keys, [next(outcomes) for _ in cells]))
    return [plan.row(key, by_key[key], tuned.get(key)) for key in plan.keys]


def _outcomes(keys: _Keys, cells: Sequence[Sequence[Outcome]]) -> Iterator[tuple[_Key, Sequence[Outcome]]]:
    """Each key's outcomes, cell by cell; every cell has one for each key."""
    return zip(keys, zip(*cells, strict=True), strict=True)


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
                rate=thetas[name].rate if name in thetas else Rate(rate_of(BASELINES[name].grid[0])),
                finals=torch.tensor(values, dtype=torch.float64),
                curves=torch.empty(0, len(values), dtype=torch.float64),
            )
            for name, values in seconds.items()
        ]
    return rows


class _Plan:
    """Which cells an evaluation is made of."""

    def __init__(self, spec: EvaluationSpec, thetas: Mapping[str, Theta], data: EvaluationData, runner: Runner) -> None:
        self._spec, self._thetas, self._train = spec, thetas, data.train
        self._streams = _streams(spec.tasks)
        self._data = runner.put(data)
        self._vectors = {name: runner.put(theta.vector) for name, theta in thetas.items()}

    @property
    def keys(self) -> list[_Key]:
        """Task by task, learned optimizers first."""
        return [(task.name, name) for task in self._spec.tasks for name in (*self._thetas, *self._spec.baselines)]

    @property
    def n_runs(self) -> int:
        """Cells beside tuning."""
        n_learned = sum(len(self._starts(tasks[0], LEARNED_STARTS_PER_CELL)) for tasks in self._streams)
        n_baseline = sum(len(self._starts(task, BASELINE_STARTS_PER_CELL)) for task in self._spec.tasks)
        return len(self._thetas) * n_learned + len(self._spec.baselines) * n_baseline

    def tuning_contents(self) -> dict[_Key, dict[str, Any]]:
        """Everything that decides each tuned rate."""
        return {
            (task.name, name): {
                "dataset": data_of(task.learner, self._train).fingerprint,
                "task": {"stream": task.stream, **task.learner.model_dump(mode="json")},
                "baseline": BASELINES[name].content(),
                "ladder": ladder(other.horizon for other in tasks if other.horizon <= task.horizon),
                "seed": self._spec.seed,
                "n_tuning_starts": self._spec.n_tuning_starts,
            }
            for tasks in self._streams
            for task in tasks
            for name in self._spec.baselines
        }

    def tuning_cells(self, known: Collection[_Key]) -> dict[_Keys, Cell]:
        """One for each stream and baseline of which a rate is not known."""
        cells = {}
        for tasks in self._streams:
            horizons = [task.horizon for task in tasks]
            for name in self._spec.baselines:
                keys = tuple((task.name, name) for task in tasks)
                arguments = (self._setting(tasks[0]), self._data, self._spec.n_tuning_starts, horizons, name)
                cells[keys] = Cell(f"{tasks[0].stream}: tune {name}", run_tuning, arguments)
        return {keys: cell for keys, cell in cells.items() if not all(key in known for key in keys)}

    def runs(self, tuned: Mapping[_Key, Tuned]) -> dict[_Keys, list[Cell]]:
        """A learned optimizer, whose rate is the same everywhere, runs a stream once; baselines run each task."""
        runs: dict[_Keys, list[Cell]] = {}
        for tasks in self._streams:
            for name, theta in self._thetas.items():
                last = (asdict(theta.rule.spec), self._vectors[name], self._spec.rate_of(theta))
                keys = tuple((task.name, name) for task in tasks)
                runs[keys] = self._cells(tasks, name, LEARNED_STARTS_PER_CELL, run_learned, *last)
            for task, name in itertools.product(tasks, self._spec.baselines):
                key, cells = (task.name, name), partial(self._cells, [task], name, BASELINE_STARTS_PER_CELL)
                runs[key,] = cells(run_baseline, name, tuned[key].rate)
        return runs

    def row(self, key: _Key, outcomes: Sequence[Outcome], tuned: Tuned | None) -> Row:
        task, name = key
        tests = [outcome.test for outcome in outcomes if outcome.test is not None]
        return Row(
            task=task,
            optimizer=name,
            kind="baseline" if tuned else "learned",
            rate=self._rate(name, tuned),
            finals=torch.cat([outcome.final_losses for outcome in outcomes]),
            curves=torch.cat([outcome.curves for outcome in outcomes], dim=1),
            test=torch.cat(tests) if tests else None,
            tuned=tuned,
        )

    def _rate(self, name: str, tuned: Tuned | None) -> Rate:
        if tuned is None:
            return self._spec.rate_of(self._thetas[name])
        return BASELINES[name].schedule._replace(lr=tuned.rate)

    def _setting(self, task: Task) -> Setting:
        return Setting(task.learner, task.stream, self._spec.seed)

    def _cells(
        self, tasks: Sequence[Task], name: str, size: int, function: Callable[..., list[Outcome]], *last: Any
    ) -> list[Cell]:
        label = f"{' and '.join(task.name for task in tasks)}: {name}"
        first, horizons = (self._setting(tasks[0]), self._data), [task.horizon for task in tasks]
        return [Cell(label, function, (*first, starts, horizons, *last)) for starts in self._starts(tasks[0], size)]

    def _starts(self, task: Task, size: int) -> list[range]:
        """The starts of each cell; one by one for learners that run one after the other anyway."""
        return _split(self._spec.n_starts, size if isinstance(task.learner, MLPTaskSpec) else 1)


def _streams(tasks: Sequence[Task]) -> list[list[Task]]:
    """Tasks of one stream together, by rising horizon."""
    streams: dict[str, list[Task]] = {}
    for task in tasks:
        streams.setdefault(task.stream, []).append(task)
    return [sorted(stream, key=lambda task: task.horizon) for stream in streams.values()]


def _split(n: int, size: int) -> list[range]:
    """0 … n − 1 in ranges of `size`, the last one perhaps shorter."""
    return [range(first, min(first + size, n)) for first in range(0, n, size)]

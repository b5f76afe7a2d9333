"""Which cells an evaluation is made of, what decides their results, and which row of the report they go to."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, NamedTuple

import torch
from hyperadam.rates import Rate
from hyperadam.theta import Theta

from meta_trainer.evaluation.cells import Outcome, Setting, run_baseline, run_learned, run_tuning
from meta_trainer.evaluation.data import EvaluationData
from meta_trainer.evaluation.report import Row
from meta_trainer.evaluation.schedule import Cell
from meta_trainer.evaluation.tuning import Tuned, ladder
from meta_trainer.runners import Runner
from meta_trainer.specs import EvaluationSpec, MLPTaskSpec
from meta_trainer.specs.baselines import BASELINES
from meta_trainer.specs.suites import Task
from meta_trainer.tasks.build import data_of

LEARNED_STARTS_PER_CELL: Final = 4
BASELINE_STARTS_PER_CELL: Final = 20


class Key(NamedTuple):
    """A row of the report."""

    task: str
    optimizer: str


class Part(NamedTuple):
    """Some starts of a row: what runs, and is kept, as one."""

    key: Key
    starts: range


class Plan:
    """What an evaluation runs."""

    def __init__(self, spec: EvaluationSpec, thetas: Mapping[str, Theta], data: EvaluationData, runner: Runner) -> None:
        self._spec, self._thetas, self._train, self._test = spec, thetas, data.train, data.test
        self._tasks = {task.name: task for task in spec.tasks}
        self._streams = _streams(spec.tasks)
        self._data = runner.put(data)
        self._vectors = {name: runner.put(theta.vector) for name, theta in thetas.items()}

    @property
    def keys(self) -> list[Key]:
        """Task by task, learned optimizers first."""
        return [Key(task, name) for task in self._tasks for name in (*self._thetas, *self._spec.baselines)]

    @property
    def parts(self) -> list[Part]:
        """All that is run, in no particular order."""
        return [part for parts in self.runs() for part in parts]

    def tuning_contents(self) -> dict[Key, dict[str, Any]]:
        """Everything that decides each tuned rate."""
        return {
            Key(task.name, name): {
                **self._learner(task),
                "baseline": BASELINES[name].content(),
                "ladder": ladder(other.horizon for other in tasks if other.horizon <= task.horizon),
                "n_tuning_starts": self._spec.n_tuning_starts,
            }
            for tasks in self._streams
            for task in tasks
            for name in self._spec.baselines
        }

    def tuning_cells(self, known: Collection[Key]) -> dict[tuple[Key, ...], Cell]:
        """One for each stream and baseline of which a rate is not known; keys by rising horizon."""
        cells = {}
        for tasks in self._streams:
            horizons = [task.horizon for task in tasks]
            for name in self._spec.baselines:
                keys = tuple(Key(task.name, name) for task in tasks)
                arguments = (self._setting(tasks[0]), self._data, self._spec.n_tuning_starts, horizons, name)
                cells[keys] = Cell(f"{tasks[0].stream}: tune {name}", run_tuning, arguments)
        return {keys: cell for keys, cell in cells.items() if not all(key in known for key in keys)}

    def runs(self) -> list[tuple[Part, ...]]:
        """Parts that one cell runs, by rising horizon: a learned optimizer, whose rate is the same everywhere, runs a
        stream once; baselines run each task."""
        runs = []
        for tasks in self._streams:
            for name, starts in itertools.product(self._thetas, self._starts(tasks[0], LEARNED_STARTS_PER_CELL)):
                runs.append(tuple(Part(Key(task.name, name), starts) for task in tasks))
            for task, name in itertools.product(tasks, self._spec.baselines):
                runs += [(Part(Key(task.name, name), s),) for s in self._starts(task, BASELINE_STARTS_PER_CELL)]
        return runs

    def cell(self, parts: Sequence[Part], tuned: Mapping[Key, Tuned]) -> Cell:
        """The cell of one of `runs`, or of some horizons of it; gives an outcome for each part."""
        tasks, name = [self._tasks[part.key.task] for part in parts], parts[0].key.optimizer
        arguments = (self._setting(tasks[0]), self._data, parts[0].starts, [task.horizon for task in tasks])
        label = f"{' and '.join(task.name for task in tasks)}: {name}"
        if name not in self._thetas:
            return Cell(label, run_baseline, (*arguments, name, tuned[parts[0].key].rate))
        theta = self._thetas[name]
        own = (asdict(theta.rule.spec), self._vectors[name], self._spec.rate_of(theta))
        return Cell(label, run_learned, (*arguments, *own))

    def content(self, part: Part, tuned: Mapping[Key, Tuned]) -> dict[str, Any]:
        """Everything that decides a part's outcome. A baseline's rate must be known."""
        task, name = self._tasks[part.key.task], part.key.optimizer
        if name in self._thetas:
            manifest = self._thetas[name].manifest
            optimizer = {field: manifest[field] for field in ("rule", "tensors_sha256")}
        else:
            optimizer = BASELINES[name].content()
        return {
            **self._learner(task),
            "horizon": task.horizon,
            "starts": [part.starts.start, part.starts.stop],
            "test": self._test and self._test.fingerprint,
            "optimizer": optimizer,
            "rate": self._rate(name, tuned.get(part.key))._asdict(),
        }

    def row(self, key: Key, outcomes: Mapping[Part, Outcome], tuned: Tuned | None) -> Row:
        """One row, from the outcomes of all its parts."""
        parts = sorted((part for part in outcomes if part.key == key), key=lambda part: part.starts.start)
        own = [outcomes[part] for part in parts]
        tests = [outcome.test for outcome in own if outcome.test is not None]
        return Row(
            task=key.task,
            optimizer=key.optimizer,
            kind="baseline" if tuned else "learned",
            rate=self._rate(key.optimizer, tuned),
            finals=torch.cat([outcome.final_losses for outcome in own]),
            curves=torch.cat([outcome.curves for outcome in own], dim=1),
            test=torch.cat(tests) if tests else None,
            tuned=tuned,
        )

    def _rate(self, name: str, tuned: Tuned | None) -> Rate:
        if tuned is None:
            return self._spec.rate_of(self._thetas[name])
        return BASELINES[name].schedule._replace(lr=tuned.rate)

    def _learner(self, task: Task) -> dict[str, Any]:
        """What decides starts and minibatches, as JSON."""
        return {
            "dataset": data_of(task.learner, self._train).fingerprint,
            "task": {"stream": task.stream, **task.learner.model_dump(mode="json")},
            "seed": self._spec.seed,
        }

    def _setting(self, task: Task) -> Setting:
        return Setting(task.learner, task.stream, self._spec.seed)

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

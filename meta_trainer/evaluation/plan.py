"""Which cells an evaluation is made of, what decides their results, and which row of the report
they go to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, NamedTuple

import torch
from hyperadam.rates import Rate
from hyperadam.theta import Theta

from meta_trainer.evaluation.cells import (
    Outcome,
    Setting,
    run_baseline,
    run_learned,
    run_learned_tuning,
    run_tuning,
)
from meta_trainer.evaluation.data import EvaluationData
from meta_trainer.evaluation.report import Row
from meta_trainer.evaluation.schedule import Cell
from meta_trainer.evaluation.tuning import LARGEST_EXPONENT, SMALLEST_EXPONENT, Tuned, ladder
from meta_trainer.runners import Runner
from meta_trainer.specs import EvaluationSpec, MLPTaskSpec
from meta_trainer.specs.baselines import BASELINES, GridRange
from meta_trainer.specs.suites import Task
from meta_trainer.tasks.data import find_data

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


@dataclass(frozen=True)
class _Learned:
    """A learned optimizer that runs."""

    theta: Theta
    vector: Any
    """Θ as the runner put it."""
    rate: Rate
    tuned: bool
    """Whether it runs at an α of each task, in place of that of `rate`."""

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What cells take of it, but for the rate."""
        return asdict(self.theta.rule.spec), self.vector

    @property
    def grid(self) -> GridRange:
        """A factor of four about its own α, where tuning begins."""
        own = round(2 * math.log2(self.rate.lr))
        own = min(max(own, SMALLEST_EXPONENT + 4), LARGEST_EXPONENT - 4)
        return own - 4, own + 4

    def content(self) -> dict[str, Any]:
        """What decides its numbers beside the rate, as JSON."""
        return {field: self.theta.manifest[field] for field in ("rule", "tensors_sha256")}


class Plan:
    """What an evaluation runs."""

    def __init__(
        self,
        spec: EvaluationSpec,
        thetas: Mapping[str, Theta],
        data: EvaluationData,
        runner: Runner,
    ) -> None:
        self._spec, self._train, self._test = spec, data.train, data.test
        self._tasks = {task.name: task for task in spec.tasks}
        self._streams = _streams(spec.tasks)
        self._data = runner.put(data)
        self._learned = {
            f"{name}, α tuned" if tuned else name: _Learned(
                theta, runner.put(theta.vector), spec.rate_of(theta), tuned
            )
            for tuned in (False, True)[: 1 + spec.tune_learned]
            for name, theta in thetas.items()
        }

    @property
    def keys(self) -> list[Key]:
        """Task by task, learned optimizers first."""
        return [
            Key(task, name)
            for task in self._tasks
            for name in (*self._learned, *self._spec.baselines)
        ]

    @property
    def parts(self) -> list[Part]:
        """All that is run, in no particular order."""
        return [part for parts in self.runs() for part in parts]

    @property
    def _tuned(self) -> list[str]:
        """The optimizers whose rate is found for each task."""
        return [*(name for name, one in self._learned.items() if one.tuned), *self._spec.baselines]

    def tuning_contents(self) -> dict[Key, dict[str, Any]]:
        """Everything that decides each tuned rate."""
        return {
            Key(task.name, name): {
                **self._learner(task),
                **self._tuning_content(name),
                "ladder": ladder(other.horizon for other in tasks if other.horizon <= task.horizon),
                "n_tuning_starts": self._spec.n_tuning_starts,
            }
            for tasks in self._streams
            for task in tasks
            for name in self._tuned
        }

    def _tuning_content(self, name: str) -> dict[str, Any]:
        if name not in self._learned:
            return {"baseline": BASELINES[name].content()}
        one = self._learned[name]
        schedule = replace(one.rate, lr=1.0).to_fields()
        return {"learned": one.content(), "schedule": schedule, "grid": list(one.grid)}

    def tuning_cells(self, known: Collection[Key]) -> dict[tuple[Key, ...], Cell]:
        """One for each stream and optimizer of which a rate is not known; keys by rising
        horizon."""
        cells = {}
        for tasks in self._streams:
            horizons = [task.horizon for task in tasks]
            for name in self._tuned:
                keys = tuple(Key(task.name, name) for task in tasks)
                arguments = (
                    self._setting(tasks[0]),
                    self._data,
                    self._spec.n_tuning_starts,
                    horizons,
                )
                cells[keys] = self._tuning_cell(f"{tasks[0].stream}: tune {name}", name, arguments)
        return {keys: cell for keys, cell in cells.items() if not all(key in known for key in keys)}

    def _tuning_cell(self, label: str, name: str, arguments: tuple[Any, ...]) -> Cell:
        if name not in self._learned:
            return Cell(label, run_tuning, (*arguments, name))
        one = self._learned[name]
        return Cell(label, run_learned_tuning, (*arguments, *one.arguments, one.rate, one.grid))

    def runs(self) -> list[tuple[Part, ...]]:
        """Parts that one cell runs, by rising horizon: a learned optimizer whose rate is the same
        everywhere runs a stream once; others run each task."""
        runs = []
        for tasks in self._streams:
            of_learned = self._starts(tasks[0], LEARNED_STARTS_PER_CELL)
            of_baseline = self._starts(tasks[0], BASELINE_STARTS_PER_CELL)
            for name, one in self._learned.items():
                for group in [[task] for task in tasks] if one.tuned else [tasks]:
                    runs += [
                        tuple(Part(Key(task.name, name), starts) for task in group)
                        for starts in of_learned
                    ]
            for task, name in itertools.product(tasks, self._spec.baselines):
                runs += [(Part(Key(task.name, name), starts),) for starts in of_baseline]
        return runs

    def cell(self, parts: Sequence[Part], tuned: Mapping[Key, Tuned]) -> Cell:
        """The cell of one of `runs`, or of some horizons of it; gives an outcome for each part."""
        tasks, name = [self._tasks[part.key.task] for part in parts], parts[0].key.optimizer
        arguments = (
            self._setting(tasks[0]),
            self._data,
            parts[0].starts,
            [task.horizon for task in tasks],
        )
        label, rate = (
            f"{' and '.join(task.name for task in tasks)}: {name}",
            self._rate(parts[0].key, tuned),
        )
        if name in self._learned:
            return Cell(label, run_learned, (*arguments, *self._learned[name].arguments, rate))
        return Cell(label, run_baseline, (*arguments, name, rate.lr))

    def content(self, part: Part, tuned: Mapping[Key, Tuned]) -> dict[str, Any]:
        """Everything that decides a part's outcome. A rate that is tuned must be known."""
        task, name = self._tasks[part.key.task], part.key.optimizer
        return {
            **self._learner(task),
            "horizon": task.horizon,
            "starts": [part.starts.start, part.starts.stop],
            "test": self._test and self._test.fingerprint,
            "optimizer": (
                self._learned[name] if name in self._learned else BASELINES[name]
            ).content(),
            "rate": self._rate(part.key, tuned).to_fields(),
        }

    def row(self, key: Key, outcomes: Mapping[Part, Outcome], tuned: Mapping[Key, Tuned]) -> Row:
        """One row, from the outcomes of all its parts."""
        parts = sorted(
            (part for part in outcomes if part.key == key), key=lambda part: part.starts.start
        )
        own = [outcomes[part] for part in parts]
        tests = [outcome.test for outcome in own if outcome.test is not None]
        return Row(
            task=key.task,
            optimizer=key.optimizer,
            kind="learned" if key.optimizer in self._learned else "baseline",
            rate=self._rate(key, tuned),
            finals=torch.cat([outcome.final_losses for outcome in own]),
            curves=torch.cat([outcome.curves for outcome in own], dim=1),
            test=torch.cat(tests) if tests else None,
            tuned=tuned.get(key),
        )

    def _rate(self, key: Key, tuned: Mapping[Key, Tuned]) -> Rate:
        name = key.optimizer
        own = self._learned[name].rate if name in self._learned else BASELINES[name].schedule
        return replace(own, lr=tuned[key].rate) if name in self._tuned else own

    def _learner(self, task: Task) -> dict[str, Any]:
        """What decides starts and minibatches, as JSON."""
        return {
            "dataset": find_data(task.learner, self._train).fingerprint,
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

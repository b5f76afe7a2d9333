"""Which cells an evaluation is made of, what decides their results, and which row of the report
they go to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import torch
from hyperadam.rates import Rate

from meta_trainer.evaluation.cell_queue import Cell
from meta_trainer.evaluation.cells import Outcome, Setting
from meta_trainer.evaluation.contestants import Contestant
from meta_trainer.evaluation.data import EvaluationData
from meta_trainer.evaluation.report import Row
from meta_trainer.evaluation.tuning import Tuned, build_ladder
from meta_trainer.runners import Runner
from meta_trainer.specs import EvaluationSpec, MLPTaskSpec
from meta_trainer.specs.suites import Task
from meta_trainer.tasks.data import find_data

LEARNED_STARTS_PER_CELL: Final = 4
BASELINE_STARTS_PER_CELL: Final = 20


class RowKey(NamedTuple):
    """A row of the report."""

    task: str
    optimizer: str


class RowSlice(NamedTuple):
    """Some starts of a row: what runs, and is kept, as one."""

    row: RowKey
    starts: range


class Plan:
    """What an evaluation runs."""

    def __init__(
        self,
        spec: EvaluationSpec,
        contestants: Sequence[Contestant],
        data: EvaluationData,
        runner: Runner,
    ) -> None:
        self._spec = spec
        self._contestants = {contestant.name: contestant for contestant in contestants}
        self._tasks = {task.name: task for task in spec.tasks}
        self._streams = _group_by_stream(spec.tasks)
        self._data = data
        self._placed_data = runner.put(data)

    @property
    def keys(self) -> list[RowKey]:
        """The report's rows, task by task."""
        return [RowKey(task, name) for task in self._tasks for name in self._contestants]

    @property
    def slices(self) -> list[RowSlice]:
        """All that is run, in no particular order."""
        return [row_slice for group in self.list_runs() for row_slice in group]

    def describe_tunings(self) -> dict[RowKey, dict[str, Any]]:
        """Everything that decides each tuned rate."""
        contents = {}
        for tasks in self._streams:
            for i, task in enumerate(tasks):
                ladder = build_ladder(shorter.horizon for shorter in tasks[: i + 1])
                for contestant in self._tuned_contestants:
                    contents[RowKey(task.name, contestant.name)] = {
                        **self._describe_learner(task),
                        **contestant.tuning_content(),
                        "ladder": ladder,
                        "n_tuning_starts": self._spec.n_tuning_starts,
                    }
        return contents

    def list_tuning_cells(self, tuned: Collection[RowKey]) -> dict[tuple[RowKey, ...], Cell]:
        """One for each stream and optimizer of which a rate is missing; keys by rising horizon.

        Args:
            tuned: rows whose rates are at hand.
        """
        cells = {}
        for tasks in self._streams:
            for contestant in self._tuned_contestants:
                keys = tuple(RowKey(task.name, contestant.name) for task in tasks)
                if any(key not in tuned for key in keys):
                    cells[keys] = self._make_tuning_cell(tasks, contestant)
        return cells

    def list_runs(self) -> list[tuple[RowSlice, ...]]:
        """Slices that one cell runs, by rising horizon.

        An optimizer whose rate is the same everywhere runs a stream once; others run each task.
        """
        runs = []
        for tasks in self._streams:
            for contestant in self._contestants.values():
                groups = [[task] for task in tasks] if contestant.is_tuned else [tasks]
                for group in groups:
                    runs += self._slice_group(group, contestant)
        return runs

    def make_cell(self, run: Sequence[RowSlice], tuned_rates: Mapping[RowKey, Tuned]) -> Cell:
        """The cell of one of `list_runs`, or of some horizons of it; gives an outcome for each."""
        tasks = [self._tasks[row_slice.row.task] for row_slice in run]
        first = run[0]
        contestant = self._contestants[first.row.optimizer]
        label = f"{' and '.join(task.name for task in tasks)}: {contestant.name}"
        horizons = [task.horizon for task in tasks]
        arguments = (self._make_setting(tasks[0]), self._placed_data, first.starts, horizons)
        return contestant.make_cell(label, arguments, self._find_rate(first.row, tuned_rates))

    def describe_slice(
        self, row_slice: RowSlice, tuned_rates: Mapping[RowKey, Tuned]
    ) -> dict[str, Any]:
        """Everything that decides a slice's outcome. A rate that is tuned must be at hand."""
        task = self._tasks[row_slice.row.task]
        contestant = self._contestants[row_slice.row.optimizer]
        test = self._data.test
        return {
            **self._describe_learner(task),
            "horizon": task.horizon,
            "starts": [row_slice.starts.start, row_slice.starts.stop],
            "test": test and test.fingerprint,
            "optimizer": contestant.content(),
            "rate": self._find_rate(row_slice.row, tuned_rates).to_fields(),
        }

    def make_row(
        self,
        key: RowKey,
        outcomes: Mapping[RowSlice, Outcome],
        tuned_rates: Mapping[RowKey, Tuned],
    ) -> Row:
        """One row, from the outcomes of all its slices."""
        slices = [row_slice for row_slice in outcomes if row_slice.row == key]
        slices.sort(key=lambda row_slice: row_slice.starts.start)
        in_order = [outcomes[row_slice] for row_slice in slices]
        tests = [outcome.test for outcome in in_order if outcome.test is not None]
        return Row(
            task=key.task,
            optimizer=key.optimizer,
            kind=self._contestants[key.optimizer].kind,
            learned=self._contestants[key.optimizer].learned,
            rate=self._find_rate(key, tuned_rates),
            finals=torch.cat([outcome.final_losses for outcome in in_order]),
            curves=torch.cat([outcome.curves for outcome in in_order], dim=1),
            test=torch.cat(tests) if tests else None,
            tuned=tuned_rates.get(key),
        )

    @property
    def _tuned_contestants(self) -> list[Contestant]:
        return [contestant for contestant in self._contestants.values() if contestant.is_tuned]

    def _find_rate(self, key: RowKey, tuned_rates: Mapping[RowKey, Tuned]) -> Rate:
        contestant = self._contestants[key.optimizer]
        if not contestant.is_tuned:
            return contestant.rate
        return replace(contestant.rate, lr=tuned_rates[key].rate)

    def _describe_learner(self, task: Task) -> dict[str, Any]:
        """What decides starts and minibatches, and what of a run counts, as JSON."""
        averaging = self._spec.averaging
        return {
            "dataset": find_data(task.learner, self._data.train).fingerprint,
            "task": {"stream": task.stream, **task.learner.model_dump(mode="json")},
            "seed": self._spec.seed,
            **({"averaging": averaging} if averaging else {}),
        }

    def _make_tuning_cell(self, tasks: Sequence[Task], contestant: Contestant) -> Cell:
        label = f"{tasks[0].stream}: tune {contestant.name}"
        horizons = [task.horizon for task in tasks]
        n_starts = self._spec.n_tuning_starts
        arguments = (self._make_setting(tasks[0]), self._placed_data, n_starts, horizons)
        return contestant.make_tuning_cell(label, arguments)

    def _make_setting(self, task: Task) -> Setting:
        return Setting(task.learner, task.stream, self._spec.seed, self._spec.averaging)

    def _slice_group(
        self, tasks: Sequence[Task], contestant: Contestant
    ) -> list[tuple[RowSlice, ...]]:
        """The runs of tasks that are run together: the starts of each cell."""
        keys = [RowKey(task.name, contestant.name) for task in tasks]
        size = _count_starts_per_cell(tasks[0], contestant)
        cuts = _cut(self._spec.n_starts, size)
        return [tuple(RowSlice(key, starts) for key in keys) for starts in cuts]


def _count_starts_per_cell(task: Task, contestant: Contestant) -> int:
    """One for learners that run one after the other anyway."""
    if not isinstance(task.learner, MLPTaskSpec):
        return 1
    is_baseline = contestant.kind == "baseline"
    return BASELINE_STARTS_PER_CELL if is_baseline else LEARNED_STARTS_PER_CELL


def _group_by_stream(tasks: Sequence[Task]) -> list[list[Task]]:
    """Tasks of one stream together, by rising horizon."""
    streams: dict[str, list[Task]] = {}
    for task in tasks:
        streams.setdefault(task.stream, []).append(task)
    return [sorted(stream, key=lambda task: task.horizon) for stream in streams.values()]


def _cut(n: int, size: int) -> list[range]:
    """0 … n − 1 in ranges of `size`, the last one perhaps shorter."""
    return [range(first, min(first + size, n)) for first in range(0, n, size)]

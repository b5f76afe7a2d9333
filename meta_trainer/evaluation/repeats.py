"""Some starts of a report, run once more: whether they end where `results.json` says.

A sample says which: of each report some tasks, the rows that every claim rests on (the learned
optimizer, its own start, and the best tuned baseline), and how many of the first starts. Rates are
those that the file says: tuning is not repeated.

Machines add in unlike orders, so that final losses differ in their last digits, and where training
is chaotic these differences grow: by 100 steps to a millionth of the loss for the basic MLP, to a
hundredth for LSTMs and deep MLPs. So the sample says by how much every single start may differ.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import torch
from hyperadam.theta import Theta
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from meta_trainer.evaluation.cells import Setting
from meta_trainer.evaluation.contestants import Contestant, list_contestants
from meta_trainer.evaluation.data import EvaluationData
from meta_trainer.evaluation.kernels import find_kernels
from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.reporting.files import RESULTS
from meta_trainer.evaluation.reporting.results import Results, decode_results
from meta_trainer.evaluation.untrained import FindVersion, rebuild_start
from meta_trainer.runners import InProcessRunner
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import Task

SAMPLE: Final = "sample.json"
"""The file that says what is repeated, in the folder in which those of reports lie."""


class SampleOfReport(BaseModel):
    """What is repeated of one report."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: tuple[str, ...] = Field(min_length=1)
    n_starts: int = Field(ge=1)
    """The first so many."""
    tolerance: float = Field(gt=0, lt=1)
    """By which part of its recorded final loss a start may differ: what another machine's order of
    sums moves it by, with some room, and no less than the digits that are recorded."""


class Repeated(NamedTuple):
    """Starts of one row, as they were recorded and as they end now."""

    report: str
    row: Row
    finals: Tensor
    """Shape (n,), float64: of the row's first n starts."""
    tolerance: float

    @property
    def largest_difference(self) -> float:
        """In parts of what is recorded; infinite if a start diverges on one side alone."""
        recorded = self.row.finals[: len(self.finals)]
        is_finite = recorded.isfinite()
        if not torch.equal(is_finite, self.finals.isfinite()):
            return math.inf
        distances = (self.finals / recorded - 1)[is_finite].abs()
        return float(distances.max()) if len(distances) else 0.0

    @property
    def is_right(self) -> bool:
        return self.largest_difference <= self.tolerance


class SampleError(ValueError):
    """A sample asks for what a report does not have, or a Θ is another than the report's."""


def read_sample(folder: Path) -> dict[str, SampleOfReport]:
    """By the names of folders.

    Raises:
        OSError: there is none.
        SampleError: it is not one.
    """
    try:
        content = json.loads((folder / SAMPLE).read_bytes())
        return {name: SampleOfReport.model_validate(each) for name, each in content.items()}
    except (ValidationError, json.JSONDecodeError, AttributeError) as error:
        raise SampleError(f"{folder / SAMPLE}: {error}") from error


@dataclass(frozen=True)
class Repetition:
    """How reports are repeated."""

    folder: Path
    """In which those of the reports lie."""
    find_theta: Callable[[str], Theta]
    """By the references of a report's spec."""
    find_version: FindVersion
    """Of those that a Θ was trained from."""
    load_data: Callable[[EvaluationSpec], EvaluationData]

    def repeat(self, name: str, sample: SampleOfReport) -> Iterator[Repeated]:
        """Row by row.

        Raises:
            SampleError: see there.
            DatasetMissing: the report's data is not here.
            OSError, ValueError: its file cannot be read.
        """
        results = decode_results((self.folder / name / RESULTS).read_bytes())
        report = results.report
        _check_sample(name, report, sample)
        spec = report.spec.model_copy(update={"learners": _list_streams(report, sample)})
        contestants = self._list_contestants(name, results)
        data = self.load_data(spec)
        tasks = {task.name: task for task in spec.tasks}
        for task in sample.tasks:
            for row in _list_rows(report, task):
                contestant = contestants[row.optimizer]
                finals = _run(contestant, row, tasks[task], spec, data, sample.n_starts)
                yield Repeated(name, row, finals, sample.tolerance)

    def _list_contestants(self, name: str, results: Results) -> Mapping[str, Contestant]:
        report = results.report
        thetas = {}
        for reference in report.spec.optimizers:
            thetas[reference] = self.find_theta(reference)
            recorded = results.origin.thetas[reference] if results.origin else None
            if thetas[reference].sha256 != recorded:
                raise SampleError(f"{name}: {reference} is not the Θ that the report is of")
        starts = {}
        if report.has_untrained:
            starts = {
                reference: rebuild_start(theta, self.find_version)
                for reference, theta in thetas.items()
                if reference not in report.unknown_starts
            }
        runner = InProcessRunner()
        contestants = list_contestants(
            report.spec, thetas, starts, runner, find_kernels(thetas, runner)
        )
        return {contestant.name: contestant for contestant in contestants}


def _check_sample(name: str, report: Report, sample: SampleOfReport) -> None:
    for task in sample.tasks:
        if task not in report.tasks:
            raise SampleError(f"{name}: tasks must be of {', '.join(report.tasks)}, got {task!r}")
    if sample.n_starts > report.spec.n_starts:
        raise SampleError(
            f"{name}: n_starts must be at most {report.spec.n_starts}, got {sample.n_starts}"
        )


def _list_streams(report: Report, sample: SampleOfReport) -> tuple[str, ...]:
    """The learners whose data is needed."""
    streams = [task.stream for task in report.spec.tasks if task.name in sample.tasks]
    return tuple(dict.fromkeys(streams))


def _list_rows(report: Report, task: str) -> list[Row]:
    """What the claims about the first optimizer rest on."""
    subject = report.spec.optimizers[0]
    rows = [row for row in report.of_task(task) if row.optimizer == subject]
    gain = report.compare_with_untrained(rows[0])
    best = report.best_baseline(task)
    if gain is not None:
        rows.append(gain.other)
    if best is not None:
        rows.append(best)
    return rows


def _run(
    contestant: Contestant,
    row: Row,
    task: Task,
    spec: EvaluationSpec,
    data: EvaluationData,
    n_starts: int,
) -> Tensor:
    setting = Setting(task.learner, task.stream, spec.seed)
    arguments = (setting, data, range(n_starts), [task.horizon])
    cell = contestant.make_cell(row.optimizer, arguments, row.rate)
    outcomes = cell.function(*cell.arguments)
    finals: Tensor = outcomes[0].final_losses
    return finals

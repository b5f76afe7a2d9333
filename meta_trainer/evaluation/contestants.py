"""The optimizers of an evaluation: what runs each of them, and what decides its numbers.

A contestant is one row of every task: a learned optimizer at its own α, the same at an α that is
tuned for each task, what either was before meta-training, a baseline whose rate is tuned, or one at
its package's defaults.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from hyperadam.rates import Rate
from hyperadam.theta import Theta

from meta_trainer.evaluation.cell_queue import Cell
from meta_trainer.evaluation.cells import (
    run_baseline,
    run_learned,
    run_learned_tuning,
    run_tuning,
    run_untuned,
)
from meta_trainer.evaluation.kernels import OF_BASELINES
from meta_trainer.evaluation.rate_trials import LARGEST_EXPONENT, SMALLEST_EXPONENT
from meta_trainer.evaluation.untuned import find_package_version
from meta_trainer.runners import Runner
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.baselines import (
    BASELINES,
    AnyBaseline,
    Baseline,
    GridRange,
    UntunedBaseline,
)

Kind = Literal["learned", "untrained", "baseline"]

_REACH = 4
"""Places of the grid below and above its own α where tuning of a learned optimizer begins: a factor
of four."""


@dataclass(frozen=True)
class Contestant(ABC):
    """An optimizer under the name that the report gives it."""

    name: str
    rate: Rate
    """With the α of all tasks; where it is tuned, only the rest counts."""
    is_tuned: bool
    """Whether it runs at an α of each task."""
    kernel: str
    """What runs it: a part of what decides its numbers."""

    @property
    @abstractmethod
    def kind(self) -> Kind: ...

    @property
    def learned(self) -> str | None:
        """The learned optimizer that it is, or is the start of; None: a baseline."""
        return None

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """What decides its numbers beside the rate, as JSON."""

    @abstractmethod
    def tuning_content(self) -> dict[str, Any]:
        """What decides its tuned rates beside the task, as JSON."""

    @abstractmethod
    def make_cell(self, label: str, arguments: tuple[Any, ...], rate: Rate) -> Cell:
        """Some starts of it.

        Args:
            arguments: setting, data, starts and horizons, which all cells begin with.
        """

    @abstractmethod
    def make_tuning_cell(self, label: str, arguments: tuple[Any, ...]) -> Cell:
        """The search for its rates.

        Args:
            arguments: setting, data, number of starts and horizons.
        """


@dataclass(frozen=True)
class LearnedContestant(Contestant):
    """A learned optimizer, or its start."""

    reference: str
    theta: Theta
    vector: Any
    """Θ as the runner put it."""
    is_untrained: bool = False

    @property
    def kind(self) -> Kind:
        return "untrained" if self.is_untrained else "learned"

    @property
    def learned(self) -> str | None:
        return self.reference

    @property
    def grid(self) -> GridRange:
        """A factor of four about its own α, where tuning begins."""
        nearest = round(2 * math.log2(self.rate.lr))
        middle = min(max(nearest, SMALLEST_EXPONENT + _REACH), LARGEST_EXPONENT - _REACH)
        return middle - _REACH, middle + _REACH

    def content(self) -> dict[str, Any]:
        made_of = {field: self.theta.manifest[field] for field in ("rule", "tensors_sha256")}
        return {**made_of, "kernel": self.kernel}

    def tuning_content(self) -> dict[str, Any]:
        schedule = replace(self.rate, lr=1.0).to_fields()
        return {"learned": self.content(), "schedule": schedule, "grid": list(self.grid)}

    def make_cell(self, label: str, arguments: tuple[Any, ...], rate: Rate) -> Cell:
        rule_spec = asdict(self.theta.rule.spec)
        return Cell(label, run_learned, (*arguments, rule_spec, self.vector, rate, self.kernel))

    def make_tuning_cell(self, label: str, arguments: tuple[Any, ...]) -> Cell:
        rule_spec = asdict(self.theta.rule.spec)
        extended = (*arguments, rule_spec, self.vector, self.rate, self.grid, self.kernel)
        return Cell(label, run_learned_tuning, extended)


@dataclass(frozen=True)
class BaselineContestant(Contestant):
    """A baseline, as it is run beside the learned optimizers."""

    baseline: Baseline

    @property
    def kind(self) -> Kind:
        return "baseline"

    def content(self) -> dict[str, Any]:
        return {**self.baseline.content(), "kernel": self.kernel}

    def tuning_content(self) -> dict[str, Any]:
        """Without the kernel: a rate of the grid is chosen among means that differ by far more."""
        return {"baseline": self.baseline.content()}

    def make_cell(self, label: str, arguments: tuple[Any, ...], rate: Rate) -> Cell:
        return Cell(label, run_baseline, (*arguments, self.baseline, rate.lr, self.kernel))

    def make_tuning_cell(self, label: str, arguments: tuple[Any, ...]) -> Cell:
        return Cell(label, run_tuning, (*arguments, self.baseline, self.kernel))


@dataclass(frozen=True)
class UntunedContestant(Contestant):
    """A baseline at its package's defaults."""

    baseline: UntunedBaseline
    version: str
    """Of the package."""

    @property
    def kind(self) -> Kind:
        return "baseline"

    def content(self) -> dict[str, Any]:
        return {**self.baseline.content(), "version": self.version, "kernel": self.kernel}

    def tuning_content(self) -> dict[str, Any]:
        raise NotImplementedError(f"{self.name} has no rate to tune")

    def make_cell(self, label: str, arguments: tuple[Any, ...], rate: Rate) -> Cell:  # noqa: ARG002
        return Cell(label, run_untuned, (*arguments, self.baseline, self.kernel))

    def make_tuning_cell(self, label: str, arguments: tuple[Any, ...]) -> Cell:
        raise NotImplementedError(f"{self.name} has no rate to tune")


def list_contestants(
    spec: EvaluationSpec,
    thetas: Mapping[str, Theta],
    starts: Mapping[str, Theta],
    runner: Runner,
    kernels: Mapping[str, str],
) -> list[Contestant]:
    """In the order of a report's rows: learned optimizers, the same with tuned α, their starts at
    the same rate and with tuned α, baselines.

    Args:
        starts: of learned optimizers, what they were before meta-training, by their names.
        kernels: as `find_kernels` gives them.

    Raises:
        PackageMissing: a baseline's package is not installed.
    """
    rates = {name: spec.rate_of(theta) for name, theta in thetas.items()}
    learned = [
        LearnedContestant(
            name=name,
            rate=rates[name],
            is_tuned=False,
            kernel=kernels[name],
            reference=name,
            theta=theta,
            vector=runner.put(theta.vector),
        )
        for name, theta in thetas.items()
    ]
    untrained = [
        LearnedContestant(
            name=f"{name}, untrained",
            rate=rates[name],
            is_tuned=False,
            kernel=kernels[name],
            reference=name,
            theta=start,
            vector=runner.put(start.vector),
            is_untrained=True,
        )
        for name, start in starts.items()
    ]
    baselines = [
        _make_baseline_contestant(name, baseline, kernels[OF_BASELINES])
        for name, baseline in resolve_baselines(spec.baselines, rates).items()
    ]
    tuned = map(_tune_alpha, learned) if spec.tune_learned else ()
    tuned_untrained = map(_tune_alpha, untrained)
    return [*learned, *tuned, *untrained, *tuned_untrained, *baselines]


def _make_baseline_contestant(name: str, baseline: AnyBaseline, kernel: str) -> Contestant:
    if isinstance(baseline, Baseline):
        return BaselineContestant(name, baseline.schedule, True, kernel, baseline)
    version = find_package_version(baseline)
    return UntunedContestant(name, Rate(lr=baseline.rate), False, kernel, baseline, version)


def _tune_alpha(contestant: LearnedContestant) -> LearnedContestant:
    """The same at an α of each task."""
    return replace(contestant, name=f"{contestant.name}, α tuned", is_tuned=True)


def resolve_baselines(names: Sequence[str], rates: Mapping[str, Rate]) -> dict[str, AnyBaseline]:
    """The baselines as they are run, by the names of their rows.

    A scheduled one has the schedule of the Θ beside it, with several Θ one row for each schedule;
    one that is the same as another, as where Θ has no schedule, has no row of its own.

    Args:
        rates: of the learned optimizers, by their names.
    """
    asked = {name: BASELINES[name] for name in names}
    contents = [baseline.content() for baseline in asked.values() if not _is_scheduled(baseline)]
    resolved: dict[str, AnyBaseline] = {}
    for name, baseline in asked.items():
        if not isinstance(baseline, Baseline) or not baseline.takes:
            resolved[name] = baseline
            continue

        scheduled = {}
        for theta, rate in rates.items():
            beside = baseline.beside(rate)
            if beside.content() not in contents:
                contents.append(beside.content())
                scheduled[theta] = beside
        for theta, beside in scheduled.items():
            row = name if len(scheduled) == 1 else f"{name} ({theta})"
            resolved[row] = beside
    return resolved


def _is_scheduled(baseline: AnyBaseline) -> bool:
    """Whether it takes its schedule from a Θ."""
    return isinstance(baseline, Baseline) and bool(baseline.takes)

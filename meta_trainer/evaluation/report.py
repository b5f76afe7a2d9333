"""What came out of an evaluation: rows, and how they compare. `reporting` shows it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from hyperadam.rates import Rate
from torch import Tensor

from meta_trainer.evaluation.ablation import Variant
from meta_trainer.evaluation.curve import Curve
from meta_trainer.evaluation.statistics import (
    VERDICTS,
    MeanWithError,
    Verdict,
    judge,
    mean_with_error,
    thin_steps,
)
from meta_trainer.evaluation.testing import MEASURES
from meta_trainer.evaluation.tuning import Tuned
from meta_trainer.recorder import finite_or_none
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import OnTest, Suite


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One optimizer on one task."""

    task: str
    optimizer: str
    kind: Literal["learned", "untrained", "baseline"]
    rate: Rate
    """α of a learned optimizer, its own or a tuned one, or the tuned rate of a baseline, with its
    schedule."""
    finals: Tensor
    """What the suite measures, shape (n_starts,), float64: final losses, NaN where a start
    diverged; or seconds."""
    curves: Tensor
    """Minibatch losses, shape (T, n_starts), float64; T is 0 where only time was measured. Of a row
    with `stored_curve` those of a few steps alone."""
    test: Tensor | None = None
    """Measures on the test split, shape (n_starts, 3), float64, NaN where a start diverged."""
    tuned: Tuned | None = None
    learned: str | None = None
    """The learned optimizer that it is, at its own or a tuned α, or is the start of; None: a
    baseline."""
    stored_curve: Curve | None = None
    """Of a row that was read from a file."""

    @cached_property
    def final(self) -> MeanWithError:
        return mean_with_error(self.finals)

    @property
    def n_diverged(self) -> int:
        return len(self.finals) - self.final.n

    @property
    def test_measures(self) -> dict[str, MeanWithError]:
        """By name; empty where there is no test split."""
        if self.test is None:
            return {}
        columns = map(mean_with_error, self.test.T)
        return dict(zip(MEASURES, columns, strict=True))

    def summarize_curve(self) -> Curve:
        """For a picture."""
        if self.stored_curve is not None:
            return self.stored_curve
        return Curve.at(thin_steps(len(self.curves)), self.curves)

    @property
    def rank(self) -> tuple[int, float]:
        """The lower the better: first fewer divergences, then the mean final loss."""
        mean = self.final.mean
        return self.n_diverged, math.inf if math.isnan(mean) else mean


@dataclass(frozen=True, eq=False)
class Difference:
    """How much higher a row's final loss is than another's of the same task."""

    row: Row
    other: Row

    @cached_property
    def paired(self) -> MeanWithError:
        """Start by start, over those on which neither diverged."""
        return mean_with_error(self.row.finals - self.other.finals)

    @property
    def verdict(self) -> Verdict:
        return judge(self.paired, self.row.n_diverged - self.other.n_diverged)

    @property
    def relative(self) -> float | None:
        """As a fraction of the other's mean; None where there is none."""
        mean = self.other.final.mean
        if not mean or self.paired.n == 0:
            return None
        return finite_or_none(self.paired.mean / mean)

    @property
    def ratio(self) -> float:
        """The row's mean over the other's, over the starts on which neither diverged; infinite
        where the row diverges on more starts, NaN where nothing can be said."""
        if self.row.n_diverged > self.other.n_diverged:
            return math.inf
        both = self.row.finals.isfinite() & self.other.finals.isfinite()
        mean = float(self.other.finals[both].mean())
        return float(self.row.finals[both].mean()) / mean if mean else math.nan


@dataclass(frozen=True, eq=False)
class Report:
    """An evaluation's result. `rows` go task by task; within one, learned optimizers first."""

    spec: EvaluationSpec
    suite: Suite
    dataset: str
    dataset_fingerprint: str
    rows: Sequence[Row]
    variants: Mapping[str, Variant] = field(default_factory=dict)
    """What each version of an ablation has of the varied field."""
    unknown_starts: Mapping[str, str] = field(default_factory=dict)
    """Learned optimizers that were to stand beside their starts, and why they do not."""
    kernels: Mapping[str, str] = field(default_factory=dict)
    """What ran each learned optimizer, by name, and the `baselines`; empty: not known."""

    @property
    def is_timing(self) -> bool:
        """Whether seconds were measured, not losses."""
        return self.suite.measure == "seconds per update"

    def label(self, optimizer: str) -> str:
        """What an optimizer is called in front of people."""
        variant = self.variants.get(optimizer)
        return f"{variant.label} ({optimizer})" if variant else optimizer

    @property
    def is_the_papers(self) -> bool:
        """Whether its tasks are the paper's, whose numbers may stand beside: on MNIST, for as many
        steps, with whole minibatches. What an update takes does not depend on the data."""
        if self.is_timing:
            return True
        spec = self.spec
        on_images = any("dataset" in type(task.learner).model_fields for task in spec.tasks)
        has_data = spec.dataset == "mnist" or not on_images
        return has_data and spec.horizon == self.suite.size.horizon and not spec.quick

    @property
    def paper(self) -> Mapping[str, Mapping[str, float]]:
        """The paper's numbers, task → optimizer → value; empty where the tasks are not its own."""
        return self.suite.paper if self.is_the_papers else {}

    @property
    def paper_test(self) -> Mapping[str, Mapping[str, OnTest]]:
        """The same on the test split."""
        return self.suite.paper_test if self.is_the_papers else {}

    @property
    def tasks(self) -> list[str]:
        """In the order of the rows."""
        return list(dict.fromkeys(row.task for row in self.rows))

    def of_task(self, task: str) -> list[Row]:
        return [row for row in self.rows if row.task == task]

    @property
    def optimizers(self) -> list[str]:
        """In the order of the rows."""
        return list(dict.fromkeys(row.optimizer for row in self.rows))

    def best(self, task: str) -> Row:
        """The row of lowest rank."""
        return min(self.of_task(task), key=lambda row: row.rank)

    def best_baseline(self, task: str) -> Row | None:
        """The tuned baseline that is the one to beat; None if none was run. Where seconds were
        measured, none is tuned, and all count."""
        baselines = [
            row
            for row in self.of_task(task)
            if row.kind == "baseline" and (row.tuned is not None or self.is_timing)
        ]
        return min(baselines, key=lambda row: row.rank, default=None)

    @property
    def untuned_baselines(self) -> list[str]:
        """Baselines at their packages' defaults, by name."""
        if self.is_timing:
            return []
        names = [row.optimizer for row in self.rows if row.kind == "baseline" and not row.tuned]
        return list(dict.fromkeys(names))

    def compare_with_best_baseline(self, row: Row) -> Difference | None:
        """To the best tuned baseline of its task; None for that itself, or where none was run."""
        baseline = self.best_baseline(row.task)
        if baseline is None or baseline is row:
            return None
        return Difference(row, baseline)

    @property
    def has_untrained(self) -> bool:
        return any(row.kind == "untrained" for row in self.rows)

    def compare_with_untrained(self, row: Row) -> Difference | None:
        """What meta-training added: a learned optimizer to its own start, the better of that at the
        same rate and with α tuned; None where there is none, or for another row."""
        if row.kind != "learned":
            return None
        own_starts = [
            other
            for other in self.of_task(row.task)
            if other.kind == "untrained" and other.learned == row.learned
        ]
        if not own_starts:
            return None
        return Difference(row, min(own_starts, key=lambda other: other.rank))

    def compare_time(self, row: Row) -> MeanWithError | None:
        """How many times as long as `torch.optim.Adam` an update takes, repeat by repeat; None in
        other suites."""
        if not self.is_timing:
            return None
        adam = next(other for other in self.of_task(row.task) if other.optimizer == "adam")
        return mean_with_error(row.finals / adam.finals)


def count_verdicts(differences: Iterable[Difference | None]) -> dict[Verdict, int]:
    """How many of them are wins, ties and losses."""
    verdicts = [difference.verdict for difference in differences if difference is not None]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}

"""What came out of an evaluation: rows, comparisons, and the files that people and machines
read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from hyperadam.rates import KNOBS, Rate
from torch import Tensor

from meta_trainer.evaluation.ablation import Variant
from meta_trainer.evaluation.statistics import Estimate, curve, estimate, finite_list, thinned
from meta_trainer.evaluation.testing import MEASURES
from meta_trainer.evaluation.tuning import Tuned
from meta_trainer.recorder import finite_or_none
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import Suite

if TYPE_CHECKING:
    from meta_trainer.evaluation.reporting.pictures import Picture


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One optimizer on one task."""

    task: str
    optimizer: str
    kind: Literal["learned", "baseline"]
    rate: Rate
    """α of a learned optimizer, its own or a tuned one, or the tuned rate of a baseline, with its
    schedule."""
    finals: Tensor
    """What the suite measures, shape (n_starts,), float64: final losses, NaN where a start
    diverged; or seconds."""
    curves: Tensor
    """Minibatch losses, shape (T, n_starts), float64; T is 0 where only time was measured."""
    test: Tensor | None = None
    """Measures on the test split, shape (n_starts, 3), float64, NaN where a start diverged."""
    tuned: Tuned | None = None

    @cached_property
    def final(self) -> Estimate:
        return estimate(self.finals)

    @property
    def n_diverged(self) -> int:
        return len(self.finals) - self.final.n

    @property
    def test_measures(self) -> dict[str, Estimate]:
        """By name; empty where there is no test split."""
        return (
            {}
            if self.test is None
            else dict(zip(MEASURES, map(estimate, self.test.T), strict=True))
        )

    @property
    def rank(self) -> tuple[int, float]:
        """The lower the better: first fewer divergences, then the mean final loss."""
        return self.n_diverged, math.inf if math.isnan(self.final.mean) else self.final.mean


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

    def label(self, optimizer: str) -> str:
        """What an optimizer is called in front of people."""
        variant = self.variants.get(optimizer)
        return f"{variant.label} ({optimizer})" if variant else optimizer

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
        """The tuned baseline that is the one to beat; None if none was run."""
        baselines = [row for row in self.of_task(task) if row.kind == "baseline"]
        return min(baselines, key=lambda row: row.rank, default=None)

    def difference(self, row: Row) -> tuple[Row, Estimate] | None:
        """The best tuned baseline and how much higher the row's final loss is, start by start; None
        for itself."""
        other = self.best_baseline(row.task)
        return (
            None if other is None or other is row else (other, estimate(row.finals - other.finals))
        )

    def ratio(self, row: Row) -> Estimate | None:
        """How many times as long as `torch.optim.Adam` an update takes, repeat by repeat; None in
        other suites."""
        if self.suite.measure != "seconds per update":
            return None
        adam = next(other for other in self.of_task(row.task) if other.optimizer == "adam")
        return estimate(row.finals / adam.finals)

    def to_json(self) -> dict[str, Any]:
        """The whole result, where None stands for what is not finite.

        Of each row: `mean`, `stderr` and the single `finals` of what `measure` says; `rate`;
        `n_diverged` of `n_starts`; `best` of its task; `difference` {to, mean, stderr}: its value
        minus that of the best baseline, start by start; `tuning`: the trials behind a tuned rate;
        `test`: {loss, top1, top2}, each {mean, stderr}, on the test split; `ratio`: {mean, stderr}
        of its time to Adam's. The last three are None where there are none.

        `curves` gives task → optimizer → mean and stderr of the minibatch loss at `curve_steps`,
        or, for a task that is shorter than the others, at its `task_steps`; `paper` the paper's own
        figures; `variants` what each version of an ablation has of the field that it varies.
        """
        spec = self.spec
        steps = {task: thinned(len(self.of_task(task)[0].curves)) for task in self.tasks}
        paper = {task: dict(losses) for task, losses in self.suite.paper.items()}
        paper_test = {
            task: {name: figures._asdict() for name, figures in published.items()}
            for task, published in self.suite.paper_test.items()
        }
        return {
            "suite": self.suite.name,
            "title": self.suite.title,
            "measure": self.suite.measure,
            "quick": spec.quick,
            "dataset": self.dataset,
            "dataset_fingerprint": self.dataset_fingerprint,
            "horizon": spec.horizon,
            "n_starts": spec.n_starts,
            "n_tuning_starts": spec.n_tuning_starts,
            **{name: getattr(spec.rate, name) for name in KNOBS},
            "tune_learned": spec.tune_learned,
            "seed": spec.seed,
            "variants": {name: variant.label for name, variant in self.variants.items()},
            "rows": [self._row_json(row) for row in self.rows],
            "paper": {"source": self.suite.paper_source, "final_losses": paper, "test": paper_test},
            "curve_steps": max(steps.values(), key=lambda s: s[-1:].tolist()).tolist(),
            "task_steps": {task: steps[task].tolist() for task in self.tasks},
            "curves": {
                task: {
                    row.optimizer: _curve_json(row.curves[steps[task]])
                    for row in self.of_task(task)
                }
                for task in self.tasks
            },
        }

    @cached_property
    def pictures(self) -> list[Picture]:
        """Drawn when they are first asked for."""
        from meta_trainer.evaluation.reporting.pictures import pictures

        return pictures(self)

    def files(self) -> dict[str, bytes]:
        """Name → content: `result.json`, `report.md`, `report.html` (self-contained) and the
        pictures beside them."""
        from meta_trainer.evaluation.reporting.pages import html, markdown

        drawn = self.pictures
        return {
            "result.json": json.dumps(self.to_json(), allow_nan=False).encode(),
            "report.md": markdown(self, drawn).encode(),
            "report.html": html(self, drawn).encode(),
            **{picture.name: picture.png for picture in drawn},
        }

    def _row_json(self, row: Row) -> dict[str, Any]:
        difference, ratio = self.difference(row), self.ratio(row)
        return {
            "task": row.task,
            "optimizer": row.optimizer,
            "kind": row.kind,
            **row.final.to_json(),
            "rate": row.rate.lr,
            **{name: getattr(row.rate, name) for name in KNOBS},
            "n_diverged": row.n_diverged,
            "n_starts": len(row.finals),
            "best": row is self.best(row.task),
            "finals": finite_list(row.finals),
            "difference": {"to": difference[0].optimizer, **difference[1].to_json()}
            if difference
            else None,
            "tuning": row.tuned.to_json() if row.tuned else None,
            "test": {name: value.to_json() for name, value in row.test_measures.items()} or None,
            "ratio": ratio.to_json() if ratio else None,
        }


def relative(row: Row, difference: tuple[Row, Estimate] | None) -> float | None:
    """The difference as a fraction of the other's mean."""
    if difference is None or not difference[0].final.mean or row.final.n == 0:
        return None
    return finite_or_none(difference[1].mean / difference[0].final.mean)


def _curve_json(values: Tensor) -> dict[str, Any]:
    mean, stderr = curve(values)
    return {"mean": mean, "stderr": stderr}

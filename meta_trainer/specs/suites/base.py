"""What a suite is: named learners, how large it is by default, and the paper's own figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from meta_trainer.specs.baselines import FULL_BASELINES, BaselineName
from meta_trainer.specs.datasets import DatasetName
from meta_trainer.specs.unseen_tasks import AnyTaskSpec

SuiteLearner = AnyTaskSpec
Measure = Literal["final loss", "seconds per update"]
Varied = Literal["state", "tricks", "candidates"]

QUICK_BATCH_SIZE: Final = 16


class Task(NamedTuple):
    """One row of a table: a learner on its data for some steps."""

    name: str
    """Unique within its suite."""
    learner: SuiteLearner
    horizon: int
    stream: str
    """Decides starts and minibatches together with the seed: tasks of one stream, which differ in
    horizon alone, are the same runs, cut at different steps."""


class OnTest(NamedTuple):
    """Published measures on the test split."""

    loss: float
    top1: float
    """Share of images whose most likely class is right, in [0, 1]."""
    top2: float
    """The same for the two most likely."""


class Axis(NamedTuple):
    """What the tasks of a suite are drawn along."""

    label: str
    values: Mapping[str, float]
    """By task."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """Values of an `EvaluationSpec` where it does not say them itself."""

    dataset: DatasetName = "mnist5k"
    horizon: int = 100
    n_starts: int = 20
    n_tuning_starts: int = 8
    baselines: tuple[BaselineName, ...] = FULL_BASELINES


def quick_size(dataset: DatasetName = "mnist5k", horizon: int = 5) -> Size:
    """A size of seconds: for tests, and to see that everything works before the full one."""
    return Size(
        dataset=dataset, horizon=horizon, n_starts=2, n_tuning_starts=1, baselines=("adam",)
    )


QUICK: Final = quick_size()


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Tasks that are reported together."""

    name: str
    title: str
    learners: Mapping[str, SuiteLearner]
    """By the name of the task; those on images take the evaluation's dataset in place of their
    own."""
    size: Size = Size()
    quick: Size = QUICK
    parts: tuple[float, ...] = (1.0,)
    """The fractions of the evaluation's horizon after which learners are measured, each a task of
    its own."""
    also_at: tuple[int, ...] = ()
    """Numbers of steps after which they are measured as well, where the horizon is longer."""
    may_decide: bool = True
    """Whether a promotion or a study may choose a Θ by it."""
    also_on: Mapping[str, tuple[DatasetName, ...]] = field(default_factory=dict)
    """Datasets on which a learner is run besides the evaluation's; the quick size leaves them
    out."""
    measure: Measure = "final loss"
    with_test: bool = False
    """Whether learners are measured on the test split at the end."""
    axis: Axis | None = None
    varied: Varied | None = None
    """What the versions of an ablation differ in; `meta_trainer.evaluation.ablation` reads it from
    their Θ files."""
    paper_source: str = ""
    """Where the paper's figures stand."""
    paper: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """The paper's figures in `measure`: task → optimizer → value."""
    paper_test: Mapping[str, Mapping[str, OnTest]] = field(default_factory=dict)
    """The same on the test split."""

    def tasks(self, *, dataset: DatasetName, horizon: int, quick: bool) -> tuple[Task, ...]:
        """The tasks of one evaluation; quick ones have smaller minibatches."""
        horizons = self._list_horizons(horizon)
        tasks = []
        for stream, learner in self._list_streams(dataset, quick=quick):
            for n_steps in horizons:
                name = f"{stream}-{n_steps}" if self._has_several_horizons else stream
                tasks.append(Task(name, learner, n_steps, stream))
        return tuple(tasks)

    @property
    def _has_several_horizons(self) -> bool:
        return len(self.parts) > 1 or bool(self.also_at)

    def _list_horizons(self, horizon: int) -> list[int]:
        """After how many steps each learner is measured, rising."""
        parts = {max(1, round(horizon * part)) for part in self.parts}
        earlier = {n_steps for n_steps in self.also_at if n_steps < horizon}
        return sorted(parts | earlier)

    def _list_streams(
        self, dataset: DatasetName, *, quick: bool
    ) -> Iterator[tuple[str, SuiteLearner]]:
        """Every learner on the evaluation's dataset, then on those that it is also run on."""
        for name, learner in self.learners.items():
            yield name, _adapt(learner, dataset, quick=quick)
            others = () if quick else self.also_on.get(name, ())
            for other in others:
                if other != dataset:
                    yield f"{name}-{other}", _adapt(learner, other, quick=quick)


def _adapt(learner: SuiteLearner, dataset: DatasetName, *, quick: bool) -> SuiteLearner:
    """The learner on this dataset, if it is one on images, and with small minibatches if quick."""
    changes: dict[str, Any] = {}
    if "dataset" in type(learner).model_fields:
        changes["dataset"] = dataset
    if quick:
        changes["batch_size"] = QUICK_BATCH_SIZE
    return learner.model_copy(update=changes)

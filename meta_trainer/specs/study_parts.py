"""The parts of a study's spec: what to look at, who proposes points, who stops trials, how much it
may take."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from meta_trainer.specs.base import Seed, Spec
from meta_trainer.specs.datasets import DatasetName
from meta_trainer.specs.evaluation import EvaluationSpec
from meta_trainer.specs.plain_words import describe_choice
from meta_trainer.specs.suites import SUITES

ResourceName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,62}$")]


def _check_direction(value: object) -> object:
    if value == "maximize":
        raise ValueError(
            "direction must be minimize: every objective of a study is a loss, of which less is "
            "better"
        )
    return value


Direction = Annotated[Literal["minimize"], BeforeValidator(_check_direction)]


class ValidationObjective(Spec):
    """A metric of the training's own validations; smaller is better."""

    kind: Literal["validation"] = "validation"
    metric: Literal["best_validation_loss", "validation_loss"] = "best_validation_loss"
    """The lowest loss so far (that of the Θ which is kept), or the newest."""
    direction: Direction = "minimize"
    """Losses are minimised; `maximize` is refused."""


def _check_score_suite(value: str) -> str:
    deciding = [
        name for name, suite in SUITES.items() if suite.measure == "final loss" and suite.may_decide
    ]
    if value not in deciding:
        raise ValueError(describe_choice("suite", value, deciding))
    return value


class SuiteObjective(Spec):
    """The score of the learned Θ on a suite: the geometric mean over its tasks of the mean final
    loss.

    Schedulers, which decide before a training ends, go by its validations all the same.
    """

    kind: Literal["suite"] = "suite"
    direction: Direction = "minimize"
    """The score is a loss, which is minimised; `maximize` is refused."""
    suite: Annotated[str, AfterValidator(_check_score_suite)] = "table1"
    """Whose tasks the Θ is run on."""
    quick: bool = True
    """Small minibatches, and no further datasets."""
    dataset: DatasetName = "mnist5k"
    """What learners on images are trained on."""
    n_starts: int = Field(default=4, ge=2, le=100)
    """Random starts of each task."""
    horizon: int = Field(default=100, ge=1, le=10_000)
    """Steps of a run."""
    seed: Seed = 1
    """Of starts and minibatches."""

    def evaluation(self, name: str) -> EvaluationSpec:
        """The evaluation of one version, without baselines."""
        fields = self.model_dump(exclude={"kind", "direction"})
        return EvaluationSpec(optimizers=(name,), baselines=(), untrained=False, **fields)

    @model_validator(mode="after")
    def _fits_the_suite(self) -> Self:
        self.evaluation("candidate@1")
        return self


class SamplerSpec(Spec):
    """How points are proposed: at random; all of a grid, in order; by a tree-structured Parzen
    estimator; by a Gaussian process. The last two are Optuna's and begin with random points."""

    kind: Literal["random", "grid", "tpe", "gp"] = "tpe"
    """Random, all of a grid, a tree of Parzen estimators, or a Gaussian process."""
    n_startup_points: int = Field(default=6, ge=1, le=1000)
    """Random points before `tpe` and `gp` begin to learn."""


class PopulationSpec(Spec):
    """Population-based training: members that fall behind go on from a better one's state with
    changed values."""

    kind: Literal["pbt"] = "pbt"
    population: int = Field(default=4, ge=2, le=256)
    """Members that train side by side."""
    perturb_every_updates: int = Field(default=20, ge=1, le=100_000)
    """Updates between two comparisons of the members."""
    quantile: float = Field(default=0.25, gt=0, le=0.5)
    """Share of the members that is replaced, and that they are replaced by."""


class ASHASpec(Spec):
    """Asynchronous successive halving; its resource is meta-updates."""

    kind: Literal["asha"] = "asha"
    grace_updates: int = Field(default=10, ge=1, le=1_000_000)
    """No training is stopped before."""
    reduction: float = Field(default=3.0, gt=1, le=16)
    """Of those that reach a rung, one in so many goes on."""


class MedianSpec(Spec):
    """Stops a training whose best loss is worse than the median of the others' running means."""

    kind: Literal["median"] = "median"
    grace_updates: int = Field(default=10, ge=1, le=1_000_000)
    """No training is stopped before."""
    min_trials: int = Field(default=3, ge=1, le=1000)
    """Other trainings that must have come as far before one is stopped."""


class NoSchedulerSpec(Spec):
    """Every training runs to its end."""

    kind: Literal["none"] = "none"


class LimitsSpec(Spec):
    """How much a study may take. Trials and parallel trials can be changed while it runs."""

    trials: int = Field(default=16, ge=1, le=10_000)
    """Meta-trainings in all, every seed counted; a grid may end earlier."""
    parallel_trials: int = Field(default=2, ge=1, le=256)
    """Trials that train side by side."""
    wall_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """After so much time, pauses left out, trials are stopped as they are and the study ends with
    what it has."""
    failures_per_trial: int = Field(default=2, ge=0, le=100)
    """Lost workers and errors that a trial survives by going on from its checkpoint."""
    failed_trials: int = Field(default=3, ge=0, le=10_000)
    """With more failed trials than this the study fails."""


class ResourcesSpec(Spec):
    """What each trial is given, and where. Without `workers` a trial does all its work on its own
    core."""

    cpus: float = Field(default=1.0, gt=0, le=256)
    """Of the process that holds Θ."""
    workers: int = Field(default=0, ge=0, le=1024)
    """Further cores that chunks of learners run on, placed with the trial."""
    custom: dict[ResourceName, Annotated[float, Field(gt=0, le=1_000_000)]] = Field(
        default_factory=dict, max_length=8
    )
    """Resources by the names that nodes were started with."""
    placement: Literal["pack", "spread", "strict-pack", "strict-spread"] = "pack"
    """How a trial's process and its workers lie on nodes."""

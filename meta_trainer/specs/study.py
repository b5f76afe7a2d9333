"""The spec of a hyperparameter study: a base meta-training, what to vary, what to look at, and how
long."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from meta_trainer.specs.base import DatasetName, Seed, Spec
from meta_trainer.specs.domains import ChoiceSpec, DomainSpec, label_of
from meta_trainer.specs.evaluation import EvaluationSpec
from meta_trainer.specs.meta_training import MetaTrainingSpec
from meta_trainer.specs.problems import FieldProblem, plain_message
from meta_trainer.specs.rates import path_of_today
from meta_trainer.specs.study_presets import lay_out_study
from meta_trainer.specs.suites import SUITES

MAX_CHECKED_POINTS: Final = 1000
"""Grids up to this size are checked point by point on submission."""
_FIXED_PATHS: Final = ("seed", "register_as", "promote")
_LIVE_PATHS: Final = (
    "meta_optimizer.",
    "tricks.",
    "unroll.rate.",
    "unroll.late_weight",
    "unroll.score",
)
"""What a population may change in the middle of a training: nothing that its checkpoints have the
shape of."""

ResourceName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,62}$")]
FieldPath = Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_]+){0,5}$", max_length=100)]


class ValidationObjective(Spec):
    """A metric of the training's own validations; smaller is better."""

    kind: Literal["validation"] = "validation"
    metric: Literal["best_validation_loss", "validation_loss"] = "best_validation_loss"
    """The lowest loss so far (that of the Θ which is kept), or the newest."""


def _check_score_suite(value: str) -> str:
    scored = [name for name, suite in SUITES.items() if suite.measure != "seconds per update"]
    if value not in scored:
        raise ValueError(f"suite must be one of {', '.join(scored)}, got {value!r}")
    return value


class SuiteObjective(Spec):
    """The score of the learned Θ on a suite: the geometric mean over its tasks of the mean final
    loss.

    Schedulers, which decide before a training ends, go by its validations all the same.
    """

    kind: Literal["suite"] = "suite"
    suite: Annotated[str, AfterValidator(_check_score_suite)] = "table1"
    quick: bool = True
    dataset: DatasetName = "mnist5k"
    n_starts: int = Field(default=4, ge=2, le=100)
    horizon: int = Field(default=100, ge=1, le=10_000)
    seed: Seed = 1

    def evaluation(self, name: str) -> EvaluationSpec:
        """The evaluation of one version, without baselines."""
        return EvaluationSpec(optimizers=(name,), baselines=(), **self.model_dump(exclude={"kind"}))

    @model_validator(mode="after")
    def _fits_the_suite(self) -> Self:
        self.evaluation("candidate@1")
        return self


class SamplerSpec(Spec):
    """How points are proposed: at random; all of a grid, in order; by a tree-structured Parzen
    estimator; by a Gaussian process. The last two are Optuna's and begin with random points."""

    kind: Literal["random", "grid", "tpe", "gp"] = "tpe"
    n_startup_points: int = Field(default=6, ge=1, le=1000)
    """Random points before `tpe` and `gp` begin to learn."""


class PopulationSpec(Spec):
    """Population-based training: members that fall behind go on from a better one's state with
    changed values."""

    kind: Literal["pbt"] = "pbt"
    population: int = Field(default=4, ge=2, le=256)
    perturb_every_updates: int = Field(default=20, ge=1, le=100_000)
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
    min_trials: int = Field(default=3, ge=1, le=1000)


class NoSchedulerSpec(Spec):
    """Every training runs to its end."""

    kind: Literal["none"] = "none"


class LimitsSpec(Spec):
    """How much a study may take. Trials and parallel trials can be changed while it runs."""

    trials: int = Field(default=16, ge=1, le=10_000)
    """Meta-trainings in all, every seed counted; a grid may end earlier."""
    parallel_trials: int = Field(default=2, ge=1, le=256)
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
    custom: dict[ResourceName, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, max_length=8
    )
    """Resources by the names that nodes were started with."""
    placement: Literal["pack", "spread", "strict-pack", "strict-spread"] = "pack"
    """How a trial's process and its workers lie on nodes."""


class StudySpec(Spec):
    """A study: every point of the space that the searcher proposes is meta-trained, once for each
    seed."""

    base: MetaTrainingSpec = MetaTrainingSpec()
    """What is varied; may begin from a preset. The best Θ becomes a version of its
    `register_as`."""
    space: Annotated[dict[FieldPath, DomainSpec], Field(min_length=1, max_length=32)]
    """Domain of each field that is varied, by its dotted path below `base`."""
    objective: Annotated[ValidationObjective | SuiteObjective, Field(discriminator="kind")] = (
        ValidationObjective()
    )
    searcher: Annotated[SamplerSpec | PopulationSpec, Field(discriminator="kind")] = SamplerSpec()
    scheduler: Annotated[ASHASpec | MedianSpec | NoSchedulerSpec, Field(discriminator="kind")] = (
        NoSchedulerSpec()
    )
    limits: LimitsSpec = LimitsSpec()
    resources: ResourcesSpec = ResourcesSpec()
    seeds: Annotated[tuple[Seed, ...], Field(max_length=64)] = ()
    """Of the trainings of each point, whose mean objective counts; empty: the base's own."""
    seed: Seed = 0
    """Of the searcher."""

    @model_validator(mode="before")
    @classmethod
    def _lay_out(cls, data: Any) -> Any:
        return lay_out_study(data) if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _seeds_differ(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise FieldProblem("seeds", "seeds must differ from each other")
        return self

    @model_validator(mode="after")
    def _promotes_nothing(self) -> Self:
        if self.base.promote is not None:
            raise FieldProblem(
                "base.promote",
                "base.promote must be null: a study does not promote what it registers",
            )
        return self

    @model_validator(mode="after")
    def _continues_nothing(self) -> Self:
        if self.base.continue_from is not None:
            raise FieldProblem(
                "base.continue_from",
                "base.continue_from must be null: trials start from base.parent, or afresh",
            )
        return self

    @model_validator(mode="after")
    def _space_of_the_base(self) -> Self:
        for path, domain in self.space.items():
            _check_path(self.base, path)
            for value in domain.probes:
                _check_point(self.base, {path: value}, f"space.{path}")
        return self

    @model_validator(mode="after")
    def _fits_the_searcher(self) -> Self:
        if isinstance(self.searcher, PopulationSpec):
            self._check_population()
        elif self.searcher.kind == "grid":
            self._check_grid()
        return self

    def _check_population(self) -> None:
        for path in self.space:
            if not path_of_today(path).startswith(_LIVE_PATHS):
                raise FieldProblem(
                    f"space.{path}",
                    f"space.{path} cannot change while a population trains: only {', '.join(_LIVE_PATHS)}",
                )
        if self.scheduler.kind != "none":
            raise FieldProblem(
                "scheduler",
                f"scheduler must be none with the searcher pbt, got {self.scheduler.kind!r}",
            )
        if self.objective.kind != "validation":
            raise FieldProblem(
                "objective", "objective must be of kind validation with the searcher pbt"
            )
        if self.limits.parallel_trials < self.searcher_population:
            raise FieldProblem(
                "limits",
                f"limits must have parallel_trials for the population of {self.searcher_population}, "
                f"got {self.limits.parallel_trials}",
            )

    def _check_grid(self) -> None:
        for path, domain in self.space.items():
            if domain.values is None:
                raise FieldProblem(
                    f"space.{path}",
                    f"space.{path} has no end of values: a grid needs a choice, an int, or a step",
                )
        if self.n_grid_points > MAX_CHECKED_POINTS:
            raise FieldProblem(
                "space",
                f"space must have at most {MAX_CHECKED_POINTS} points in a grid, got {self.n_grid_points}",
            )
        for point in self.grid():
            _check_point(self.base, point, "space")

    @property
    def searcher_population(self) -> int:
        """Members that train side by side; 0 without a population."""
        return self.searcher.population if isinstance(self.searcher, PopulationSpec) else 0

    @property
    def all_seeds(self) -> tuple[int, ...]:
        return self.seeds or (self.base.seed,)

    @property
    def n_grid_points(self) -> int:
        return math.prod(len(domain.values or ()) for domain in self.space.values())

    def grid(self) -> Iterator[dict[str, Any]]:
        """All points of a finite space; the last path varies fastest."""
        for values in itertools.product(*(domain.values or () for domain in self.space.values())):
            yield dict(zip(self.space, values, strict=True))

    def trial_spec(self, values: Mapping[str, Any], seed: int) -> MetaTrainingSpec:
        """The meta-training of a point with a seed.

        Raises:
            ValueError: the values do not go together.
        """
        return at_point(self.base, {**values, "seed": seed})

    def label(self, path: str, value: Any) -> str:
        """What reports call a value."""
        domain = self.space[path]
        return domain.label(value) if isinstance(domain, ChoiceSpec) else label_of(value)


def at_point(base: MetaTrainingSpec, values: Mapping[str, Any]) -> MetaTrainingSpec:
    """The base with other values at some dotted paths. A rule of another kind brings its own
    recommendations along."""
    content = base.model_dump(mode="json")
    rule = values.get("rule")
    if isinstance(rule, dict) and rule.get("kind", base.rule.kind) != base.rule.kind:
        for path in ("init", "register_as", "unroll.rate.lr"):
            place, name = _place(content, path)
            del place[name]
    for path, value in values.items():
        place, name = _place(content, path_of_today(path))
        place[name] = value
    return MetaTrainingSpec.model_validate(content)


def _place(content: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """The object that holds a field, and the field's name in it."""
    *outer, last = path.split(".")
    for key in outer:
        content = content[key]
    return content, last


def _check_path(base: MetaTrainingSpec, path: str) -> None:
    place: Any = base.model_dump(mode="json")
    for key in path_of_today(path).split("."):
        if not isinstance(place, dict) or key not in place:
            raise FieldProblem(
                f"space.{path}", f"space.{path} is no field of the base meta-training"
            )
        place = place[key]
    if path in _FIXED_PATHS:
        raise FieldProblem(
            f"space.{path}",
            f"space.{path} cannot be varied" + ("; seeds does that" if path == "seed" else ""),
        )


def _check_point(base: MetaTrainingSpec, values: Mapping[str, Any], field: str) -> None:
    try:
        at_point(base, values)
    except ValidationError as error:
        shown = ", ".join(f"{path} = {label_of(value)}" for path, value in values.items())
        reasons = "; ".join(_reasons(error))
        raise FieldProblem(field, f"{field} admits {shown}: {reasons}") from error


def _reasons(error: ValidationError) -> Iterable[str]:
    for details in error.errors(include_url=False, include_input=False):
        location = ".".join(map(str, details["loc"]))
        yield f"{location}: {details['msg']}" if location else plain_message(details)

"""The spec of a hyperparameter study: a base meta-training, what to vary, what to look at, and how
long."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Self

from pydantic import Field, model_validator

from meta_trainer.specs.base import Seed, Spec
from meta_trainer.specs.conditional_space import check_space, is_conditional, list_points
from meta_trainer.specs.conditions import FieldPath
from meta_trainer.specs.domains import ChoiceSpec, DomainSpec, format_value
from meta_trainer.specs.meta_training import MetaTrainingSpec
from meta_trainer.specs.problems import FieldProblem
from meta_trainer.specs.rates import path_of_today
from meta_trainer.specs.study_parts import (
    ASHASpec,
    LimitsSpec,
    MedianSpec,
    NoSchedulerSpec,
    PopulationSpec,
    ResourcesSpec,
    SamplerSpec,
    SuiteObjective,
    ValidationObjective,
)
from meta_trainer.specs.study_points import at_point, check_point
from meta_trainer.specs.study_presets import lay_out_study

MAX_CHECKED_POINTS: Final = 1000
"""Grids up to this size are checked point by point on submission."""
_LIVE_PATHS: Final = (
    "meta_optimizer.",
    "tricks.",
    "unroll.rate.",
    "unroll.late_weight",
    "unroll.score",
)
"""What a population may change in the middle of a training: nothing that its checkpoints have the
shape of."""


class StudySpec(Spec):
    """A study: every point of the space that the searcher proposes is meta-trained, once for each
    seed."""

    base: MetaTrainingSpec = MetaTrainingSpec()
    """What is varied; may begin from a preset. The best Θ becomes a version of its
    `register_as`."""
    space: Annotated[dict[FieldPath, DomainSpec], Field(min_length=1, max_length=32)]
    """Domain of each field that is varied, by its dotted path below `base`; with a `when`, only at
    some values of the others."""
    objective: Annotated[ValidationObjective | SuiteObjective, Field(discriminator="kind")] = (
        ValidationObjective()
    )
    """What trials are ranked by."""
    searcher: Annotated[SamplerSpec | PopulationSpec, Field(discriminator="kind")] = SamplerSpec()
    """Who proposes points."""
    scheduler: Annotated[ASHASpec | MedianSpec | NoSchedulerSpec, Field(discriminator="kind")] = (
        NoSchedulerSpec()
    )
    """Who stops trials before their end."""
    limits: LimitsSpec = LimitsSpec()
    """How much the study may take."""
    resources: ResourcesSpec = ResourcesSpec()
    """What each trial is given."""
    seeds: Annotated[tuple[Seed, ...], Field(max_length=64)] = ()
    """Of the trainings of each point, whose mean objective counts; empty: the base's own."""
    seed: Seed = 0
    """Of the searcher."""
    warm_start: Annotated[str, Field(pattern=r"^job_[a-z0-9]{1,64}$")] | None = None
    """Another study, of the same objective, whose points the searcher knows from the start: those
    that were trained to their end and lie in this space. Needs `tpe` or `gp`, which learn."""

    @model_validator(mode="before")
    @classmethod
    def _lay_out(cls, data: Any) -> Any:
        return lay_out_study(data) if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _seeds_differ(self) -> Self:
        has_duplicates = len(set(self.seeds)) < len(self.seeds)
        if has_duplicates:
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
        check_space(self.base, self.space)
        return self

    @model_validator(mode="after")
    def _searches_its_conditions(self) -> Self:
        if self.searcher.kind not in ("gp", "pbt"):
            return self
        for path, domain in self.space.items():
            if domain.when:
                field = f"space.{path}.when"
                raise FieldProblem(
                    field,
                    f"{field} needs the searcher random, grid or tpe, got {self.searcher.kind!r}, "
                    "for which every point has all fields",
                )
        return self

    @model_validator(mode="after")
    def _learns_from_a_warm_start(self) -> Self:
        if self.warm_start is not None and self.searcher.kind not in ("tpe", "gp"):
            raise FieldProblem(
                "warm_start",
                f"warm_start needs a searcher that learns, tpe or gp, got {self.searcher.kind!r}",
            )
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
                field = f"space.{path}"
                live = ", ".join(_LIVE_PATHS)
                raise FieldProblem(
                    field, f"{field} cannot change while a population trains: only {live}"
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
        size = self.searcher_population
        n_parallel = self.limits.parallel_trials
        if n_parallel < size:
            raise FieldProblem(
                "limits",
                f"limits must have parallel_trials for the population of {size}, got {n_parallel}",
            )

    def _check_grid(self) -> None:
        for path, domain in self.space.items():
            if domain.values is None:
                field = f"space.{path}"
                raise FieldProblem(
                    field, f"{field} has no end of values: a grid needs a choice, an int, or a step"
                )
        n_points = self.n_grid_points
        if n_points > MAX_CHECKED_POINTS:
            got = "more" if is_conditional(self.space) else f"{n_points}"
            raise FieldProblem(
                "space",
                f"space must have at most {MAX_CHECKED_POINTS} points in a grid, got {got}",
            )
        for point in self.grid():
            check_point(self.base, point, "space")

    @property
    def searcher_population(self) -> int:
        """Members that train side by side; 0 without a population."""
        return self.searcher.population if isinstance(self.searcher, PopulationSpec) else 0

    @property
    def all_seeds(self) -> tuple[int, ...]:
        return self.seeds or (self.base.seed,)

    @property
    def n_grid_points(self) -> int:
        """Distinct points of the space; with conditions they are counted one by one, up to one more
        than a grid may have."""
        if is_conditional(self.space):
            return sum(1 for _ in itertools.islice(self.grid(), MAX_CHECKED_POINTS + 1))
        return math.prod(domain.n_values for domain in self.space.values())

    def grid(self) -> Iterator[dict[str, Any]]:
        """All points of a finite space, each once; the last path varies fastest."""
        return list_points(self.space)

    def trial_spec(self, values: Mapping[str, Any], seed: int) -> MetaTrainingSpec:
        """The meta-training of a point with a seed.

        Raises:
            ValueError: the values do not go together.
        """
        return at_point(self.base, {**values, "seed": seed})

    def label(self, path: str, value: Any) -> str:
        """What reports call a value."""
        domain = self.space[path]
        return domain.label(value) if isinstance(domain, ChoiceSpec) else format_value(value)

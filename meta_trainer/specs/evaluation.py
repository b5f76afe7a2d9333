"""The spec of an evaluation job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final, Self

from hyperadam.rates import Rate
from hyperadam.theta import Theta
from pydantic import AfterValidator, Field, model_validator

from meta_trainer.specs.base import Reference, Seed
from meta_trainer.specs.baselines import BASELINES, FULL_BASELINES, BaselineName
from meta_trainer.specs.datasets import DatasetName
from meta_trainer.specs.faults import JobSpec
from meta_trainer.specs.plain_words import describe_choice
from meta_trainer.specs.problems import FieldProblem, check_different
from meta_trainer.specs.rates import RateChanges, gather_rate
from meta_trainer.specs.suites import ALL, SUITES, Suite, Task

_WITHOUT_TEST_SPLIT: Final = frozenset({"mnist5k"})


def _check_suite(value: str) -> str:
    if value not in SUITES:
        raise ValueError(describe_choice("suite", value, SUITES))
    return value


class EvaluationSpec(JobSpec):
    """An evaluation job: versions of Θ beside tuned baselines, on paired starts and minibatches.

    `dataset`, `horizon`, `n_starts`, `n_tuning_starts` and `baselines` default to the suite's own
    size, or to its quick one; the defaults written here are those of `table1`. In `all` every suite
    has its own, and none can be given.
    """

    optimizers: Annotated[tuple[Reference, ...], Field(min_length=1, max_length=8)]
    """`name@ref`; the service pins each to a version number on submission."""
    suite: Annotated[
        str, AfterValidator(_check_suite), Field(json_schema_extra={"enum": list(SUITES)})
    ] = "table1"
    """What is run: see `meta_trainer.specs.suites`."""
    quick: Annotated[bool, Field(strict=True)] = False
    """The suite's quick size instead of its full one, with minibatches of 16: to see that
    everything works."""
    learners: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=64)] = ()
    """Those of the suite's learners that are run, by name, such as `mlp-9` or `cnn-2-cifar10`; none
    given: all. The numbers of each are the same, whichever others are run."""
    dataset: DatasetName = "mnist5k"
    """What learners on images are trained on; made-up sequences need none."""
    n_starts: int = Field(default=20, ge=2, le=1000)
    """Random starts that every optimizer runs from; in `timing`, how often each is timed."""
    n_tuning_starts: int = Field(default=8, ge=1, le=100)
    """Other starts, on which the baselines' rates are tuned."""
    horizon: int = Field(default=100, ge=1, le=10_000)
    """Steps of a run; some of `longer` and `unseen` take a fifth, and those of `field` are also
    measured after 300. In `timing`, updates that are timed together."""
    baselines: Annotated[tuple[BaselineName, ...], Field(max_length=len(BASELINES))] = (
        FULL_BASELINES
    )
    """Scheduled ones have the schedule of the Θ beside them, one row for each that differs."""
    rate: RateChanges = RateChanges()
    """What is changed of the rates of learned optimizers (`hyperadam.rates`); null is each Θ's own.
    Baselines are not changed, and `timing` has no use for it."""
    averaging: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """η: learned optimizers and tuned baselines give an average of their newest weights, which is
    about 1 / (η + 2) of a run old (`hyperadam.averaging`), and rates are tuned for it; 0: the last
    weights. `timing` has no use for it."""
    tune_learned: Annotated[bool, Field(strict=True)] = False
    """Each learned optimizer runs once more beside itself, at an α that is tuned for each task as
    the baselines' rates are; its schedule stays as it is."""
    untrained: Annotated[bool, Field(strict=True)] = True
    """Each learned optimizer's own start runs beside it, at the same rate and at a tuned one: what
    meta-training added. On at full size; `timing` has no use for it."""
    seed: Seed = 1
    """Of starts and minibatches, which all optimizers share."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The suite's, on this spec's data and for its steps."""
        tasks = self._tasks_of_all_learners
        if not self.learners:
            return tasks
        return tuple(task for task in tasks if task.stream in self.learners)

    @property
    def _tasks_of_all_learners(self) -> tuple[Task, ...]:
        suite = SUITES[self.suite]
        return suite.tasks(dataset=self.dataset, horizon=self.horizon, quick=self.quick)

    def rate_of(self, theta: Theta) -> Rate:
        """α and the schedule of a learned optimizer in this evaluation."""
        changed: Rate = self.rate.apply_to(theta.rate)
        return changed

    @property
    def sections(self) -> tuple[EvaluationSpec, ...]:
        """The evaluations that this one is made of: itself, or in `all` one for each suite that may
        apply."""
        if SUITES[self.suite] is not ALL:
            return (self,)
        suites = {suite.name: suite for suite in SUITES.values() if suite is not ALL}
        can_be_ablation = len(self.optimizers) > 1
        return tuple(
            self._make_section(suite)
            for suite in suites.values()
            if can_be_ablation or suite.varied is None
        )

    def _make_section(self, suite: Suite) -> EvaluationSpec:
        """The evaluation of one suite, at its own size."""
        fields = self.model_dump(include={"optimizers", "quick", "rate", "seed"})
        fields["suite"] = suite.name
        is_of_losses = suite.measure == "final loss"
        fields["averaging"] = self.averaging if is_of_losses else 0.0
        fields["tune_learned"] = self.tune_learned and is_of_losses
        fields["untrained"] = self.untrained and is_of_losses
        return EvaluationSpec.model_validate(fields)

    @model_validator(mode="before")
    @classmethod
    def _take_the_suites_size(cls, values: Any) -> Any:
        gathered = gather_rate(values)
        if not isinstance(gathered, Mapping):
            return gathered
        name = gathered.get("suite", "table1")
        if not isinstance(name, str) or name not in SUITES:
            return gathered
        suite = SUITES[name]
        is_quick = gathered.get("quick") is True
        size = suite.quick if is_quick else suite.size
        has_untrained = suite.measure == "final loss" and not is_quick
        return {**asdict(size), "untrained": has_untrained, **gathered}

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for name in ("optimizers", "baselines", "learners"):
            check_different(name, getattr(self, name))
        return self

    @model_validator(mode="after")
    def _learners_of_the_suite(self) -> Self:
        in_suite = dict.fromkeys(task.stream for task in self._tasks_of_all_learners)
        for name in self.learners:
            if name not in in_suite:
                has = (
                    f"has {', '.join(in_suite)}"
                    if in_suite
                    else "has learners of other suites only"
                )
                raise FieldProblem(
                    "learners",
                    f"learners must be of the suite {self.suite}, which {has}; got {name!r}",
                )
        return self

    @model_validator(mode="after")
    def _a_test_split_where_it_is_measured(self) -> Self:
        if SUITES[self.suite].with_test and self.dataset in _WITHOUT_TEST_SPLIT:
            raise FieldProblem(
                "dataset",
                f"dataset {self.dataset} has no test split, "
                f"which the suite {self.suite} measures on",
            )
        return self

    @model_validator(mode="after")
    def _losses_where_rates_or_training_matter(self) -> Self:
        if SUITES[self.suite].measure == "final loss":
            return self
        if self.averaging:
            raise FieldProblem(
                "averaging",
                f"averaging must be 0 in the suite {self.suite}, which looks at no weights",
            )
        if self.tune_learned:
            raise FieldProblem(
                "tune_learned",
                f"tune_learned must not be true in the suite {self.suite}, "
                "which depends on no rate",
            )
        if self.untrained:
            raise FieldProblem(
                "untrained",
                f"untrained must not be true in the suite {self.suite}, "
                "which depends on no training",
            )
        return self

    @model_validator(mode="after")
    def _adam_where_times_are_compared(self) -> Self:
        is_timing = SUITES[self.suite].measure == "seconds per update"
        if is_timing and "adam" not in self.baselines:
            raise FieldProblem(
                "baselines",
                f"baselines must contain adam in the suite {self.suite}: its ratios are to adam",
            )
        return self

    @model_validator(mode="after")
    def _versions_to_compare_in_an_ablation(self) -> Self:
        if SUITES[self.suite].varied is not None and len(self.optimizers) < 2:
            raise FieldProblem(
                "optimizers",
                f"optimizers must be at least two in the suite {self.suite}, which compares them",
            )
        return self

    @model_validator(mode="after")
    def _no_size_for_all_suites(self) -> Self:
        if SUITES[self.suite] is not ALL:
            return self
        for name, value in asdict(ALL.size).items():
            if getattr(self, name) != value:
                raise FieldProblem(
                    name,
                    f"{name} must not be given with the suite {self.suite}: "
                    "every suite has its own size",
                )
        return self

"""The spec of a meta-training job."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from hyperadam.rules import HyperAdamSpec, rule_from_spec
from pydantic import Field, field_validator, model_validator

from meta_trainer.specs.adjustment import AdjustmentSpec
from meta_trainer.specs.base import Init, Name, Reference, RuleSpec, Seed, Spec
from meta_trainer.specs.continuation import ContinueSpec
from meta_trainer.specs.distributions import Horizon, TaskDistribution
from meta_trainer.specs.estimators import ESSpec, EstimatorSpec, TBPTTSpec, parts_of
from meta_trainer.specs.faults import DivergenceSpec, JobSpec
from meta_trainer.specs.plain_tasks import MLPTaskSpec, PlainTaskSpec
from meta_trainer.specs.presets import RECOMMENDED, lay_out
from meta_trainer.specs.problems import FieldProblem
from meta_trainer.specs.promotion import PromotionSpec
from meta_trainer.specs.tasks import TaskSpec
from meta_trainer.specs.timeline import Timeline, timeline
from meta_trainer.specs.unrolls import UnrollSpec

LIMITS: Final = ("skip_zero_gradients", "direction_bound")
"""Fields of a HyperAdam's rule that limit its directions, and say nothing of what Θ's numbers
mean."""


class TricksSpec(Spec):
    """The two training tricks of Section 4, Eq. (9); a range or dimension of 0 turns one off."""

    random_scaling: float = Field(default=3.0, ge=0, le=10)
    """RS: c = exp(U(−r, r)) for each coordinate of the learner."""
    convex_dimension: int = Field(default=20, ge=0, le=1000)
    """CC: dimension of the convex function added to the loss."""
    convex_scaling: float = Field(default=1.0, ge=0, le=10)
    """RS for the coordinates of the convex function."""
    plain_fraction: float = Field(default=0.0, ge=0, le=1)
    """Share of the chunks of every episode that run without RS (rounded to whole chunks, all in
    turn)."""


class MetaOptimizerSpec(Spec):
    """Adam on Θ, with clipping and a rate schedule."""

    rate: float = Field(default=1e-3, gt=0, le=1)
    schedule: Literal["constant", "cosine"] = "cosine"
    """After the warm-up: constant, or a half cosine down to `final_fraction` at the last update."""
    final_fraction: float = Field(default=0.05, ge=0, le=1)
    warmup_updates: int = Field(default=10, ge=0, le=100_000)
    """Updates over which the rate rises linearly from 0."""
    clip_norm: float = Field(default=1.0, gt=0, le=1e6)
    """Largest Euclidean norm of the meta-gradient; a longer one is scaled down to it."""
    clip_learners: float | None = Field(default=None, gt=0, le=1e6)
    """c: a learner's meta-gradient is shortened to c times the median norm of the last learners',
    before they are added up, so that no learner owns an update; null: all count as they are."""
    weight_decay: float = Field(default=0.0, ge=0, le=100)
    """λ, decoupled: Θ ← Θ − rate λ (Θ − Θ°) before every step of Adam."""
    decay_towards: Literal["zero", "start"] = "zero"
    """Θ°: 0, as in AdamW, or where the job starts, which decay then does not forget."""
    averaging: float = Field(default=0.0, ge=0, lt=1)
    """Decay d of the running mean Θ̄ ← d Θ̄ + (1 − d) Θ, which is what is validated and kept; 0: Θ
    itself."""


class ValidationSpec(Spec):
    """Plain episodes (no RS, no CC) on fixed starts and minibatches; the Θ with the lowest final
    loss is kept."""

    every_episodes: int = Field(default=10, ge=1, le=100_000)
    n_learners: int = Field(default=4, ge=1, le=256)
    """Learners for each activation of the task."""
    horizons: Annotated[tuple[Horizon, ...], Field(max_length=8)] = ()
    """Steps of a run after which learners are measured, rising; if none is given, `unroll.horizon`
    alone. With several, the geometric mean over them counts: a Θ that is best after 100 steps need
    not be so after 1,000."""

    @field_validator("horizons")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(first >= second for first, second in pairwise(value)):
            raise ValueError(f"horizons must rise, got {list(value)}")
        return value


class MetaTrainingSpec(JobSpec):
    """A meta-training job: where Θ starts, what it is trained on, and for how long."""

    register_as: Name = "hyperadam"
    """The optimizer under whose name the learned Θ becomes a new version; for other rules, their
    kind if not given."""
    rule: RuleSpec = HyperAdamSpec(**RECOMMENDED["hyperadam"]["rule"])
    """`kind` is `hyperadam`, `rnnprop` or `dm`. Fields that are not given are those of
    `RECOMMENDED`, then those of the kind's own spec."""
    init: Init = "adam-ensemble"
    """One of the rule's initialisations; if not given, its first. `adam-ensemble` and
    `warm-ensemble` are HyperAdam's alone, and the latter needs its LSTM."""
    parent: Reference | None = None
    """A registered version of the same rule that Θ starts from instead of `init`; kept as a version
    number. Only `skip_zero_gradients` and `direction_bound` may be other than its own."""
    continue_from: ContinueSpec | None = None
    """A checkpoint of another job of the same rule to go on from: with Θ, its running mean, and the
    meta-optimizer's moments. `n_episodes` then counts the episodes that lie behind it, too."""
    adjustment: AdjustmentSpec = AdjustmentSpec()
    """What is changed in `init` or in `parent` before the first update; for HyperAdam alone."""
    task: TaskSpec | None = TaskSpec()
    """What is trained on, said simply; null where `tasks` is given."""
    tasks: TaskDistribution | None = None
    """What is trained on, as a distribution, instead of `task`."""
    tricks: TricksSpec = TricksSpec()
    unroll: UnrollSpec = UnrollSpec()
    estimator: EstimatorSpec = TBPTTSpec()
    """How the meta-gradient is had: `kind` is `tbptt`, `es`, `pes`, `es-single` or `mix`."""
    meta_optimizer: MetaOptimizerSpec = MetaOptimizerSpec()
    validation: ValidationSpec = ValidationSpec()
    n_learners: int = Field(default=8, ge=1, le=4096)
    """Learners whose meta-gradients are averaged in one update of Θ."""
    chunk_size: int = Field(default=2, ge=1, le=256)
    """Learners run as one batch by one worker; part of the spec because it decides the order of
    sums."""
    divergence: DivergenceSpec = DivergenceSpec()
    n_episodes: int = Field(default=100, ge=1, le=1_000_000)
    checkpoint_every_updates: int = Field(default=10, ge=1, le=100_000)
    seed: Seed = 0
    promote: PromotionSpec | None = None
    """Whether, and by what rule, the new version takes over an alias when the training is done."""

    @model_validator(mode="before")
    @classmethod
    def _lay_over_defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        given = lay_out(data)
        return (
            given | {"task": None}
            if given.get("tasks") is not None and "task" not in data
            else given
        )

    @model_validator(mode="after")
    def _one_way_to_say_tasks(self) -> Self:
        if (self.task is None) == (self.tasks is None):
            raise FieldProblem(
                "tasks", "tasks and task exclude each other, and one of them must be given"
            )
        if self.unroll.period and any(steps % self.unroll.period for steps in self._horizons):
            raise FieldProblem(
                "tasks",
                f"tasks must have a horizon in multiples of the period, which is {self.unroll.period}",
            )
        return self

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        if self.parent is not None and self.continue_from is not None:
            raise FieldProblem(
                "continue_from",
                "continue_from must be null where parent is given: Θ starts from one of the two",
            )
        return self

    @model_validator(mode="after")
    def _a_start_that_can_be_adjusted(self) -> Self:
        if self.adjustment.changes_nothing:
            return self
        if self.rule.kind != "hyperadam":
            raise FieldProblem(
                "adjustment", f"adjustment is for rule 'hyperadam', got one for {self.rule.kind!r}"
            )
        if self.continue_from is not None:
            raise FieldProblem(
                "adjustment",
                "adjustment must not be given where continue_from is: that goes on as it was",
            )
        return self

    @model_validator(mode="after")
    def _periods_that_the_estimator_takes(self) -> Self:
        period = self.unroll.period
        for _, part in parts_of(self.estimator):
            if isinstance(part, ESSpec) and period:
                raise FieldProblem(
                    "estimator",
                    f"estimator 'es' runs whole episodes: unroll.period must be null, got {period}",
                )
            if isinstance(part, TBPTTSpec) and part.truncation:
                whole = (period,) if period else self._horizons
                if any(steps % part.truncation for steps in whole) or (
                    not period and self._horizons_vary
                ):
                    raise FieldProblem(
                        "estimator",
                        f"estimator has a truncation of {part.truncation}, which must divide every period",
                    )
        return self

    @model_validator(mode="after")
    def _init_of_the_rule(self) -> Self:
        inits = rule_from_spec(asdict(self.rule)).inits
        if self.init not in inits:
            raise FieldProblem(
                "init",
                f"init must be one of {', '.join(inits)} for rule {self.rule.kind!r}, got {self.init!r}",
            )
        return self

    @model_validator(mode="after")
    def _tensors_of_the_rule(self) -> Self:
        known = rule_from_spec(asdict(self.rule)).theta_shapes
        for _, part in parts_of(self.estimator):
            unknown = (
                []
                if isinstance(part, TBPTTSpec)
                else [name for name in part.tensors or () if name not in known]
            )
            if unknown:
                raise FieldProblem(
                    "estimator.tensors",
                    f"estimator.tensors must be some of {', '.join(known)}, got {unknown[0]!r}",
                )
        return self

    @model_validator(mode="after")
    def _whole_chunks(self) -> Self:
        if self.n_learners % self.chunk_size:
            raise FieldProblem(
                "n_learners",
                f"n_learners must be a multiple of chunk_size, got {self.n_learners} and {self.chunk_size}",
            )
        return self

    @property
    def n_chunks(self) -> int:
        return self.n_learners // self.chunk_size

    @property
    def timeline(self) -> Timeline:
        """The lengths of the episodes."""
        growth = self.unroll.curriculum
        bounds = (growth.initial, growth.growth) if growth else None
        return timeline(
            self.seed,
            self.n_episodes,
            *self._horizons,
            period=self.unroll.period,
            curriculum=bounds,
        )

    def horizon_of(self, episode: int) -> int:
        """T of an episode, in steps."""
        return self.timeline.horizons[episode]

    def period_of(self, episode: int) -> int:
        """Steps of each of an episode's periods."""
        return self.unroll.period or self.horizon_of(episode)

    @property
    def n_updates(self) -> int:
        return self.timeline.n_updates

    @property
    def simple_tasks(self) -> list[MLPTaskSpec]:
        """What `task` means: chunks of learners take these in turn."""
        if self.task is None:
            return []
        same = self.task.model_dump(exclude={"activations"})
        return [MLPTaskSpec(activation=activation, **same) for activation in self.task.activations]

    @property
    def validation_tasks(self) -> Sequence[PlainTaskSpec]:
        """What Θ is chosen by: the training activations, or what the distribution declares."""
        return self.tasks.validation if self.tasks else list(dict.fromkeys(self.simple_tasks))

    @property
    def validation_horizons(self) -> tuple[int, ...]:
        """Steps after which validation learners are measured, rising."""
        return self.validation.horizons or (self.unroll.horizon,)

    @property
    def data_tasks(self) -> Sequence[PlainTaskSpec]:
        """Tasks that between them use all the data of the job."""
        drawn = (
            [task for family in self.tasks.families for task in family.typical()]
            if self.tasks
            else []
        )
        return [*drawn, *self.validation_tasks]

    @property
    def _horizons_vary(self) -> bool:
        return self._horizons[0] != self._horizons[1] or self.unroll.curriculum is not None

    @property
    def _horizons(self) -> tuple[int, int]:
        """The shortest and the longest T of an episode."""
        own = self.unroll.horizon, self.unroll.horizon
        return (self.tasks.horizon or own) if self.tasks else own


def check_parent(spec: MetaTrainingSpec, rule: Any) -> None:
    """A Θ can start from another one only if the same rule runs both, up to the limits of its
    directions.

    Args:
        rule: the spec of the parent's rule, as its `Rule` has it.

    Raises:
        FieldProblem: blaming `parent`; the message names the first field of the rule that differs.
    """
    _check_same_rule(spec, rule, "parent", str(spec.parent), but=LIMITS)


def check_continuation(spec: MetaTrainingSpec, original: MetaTrainingSpec, n_episodes: int) -> None:
    """A job goes on from another one's checkpoint only if the same rule runs both, and if there is
    more to do.

    Args:
        original: the spec of the job that is continued.
        n_episodes: that the checkpoint has behind it.

    Raises:
        FieldProblem: blaming `continue_from.job` or `n_episodes`.
    """
    assert spec.continue_from is not None
    name = spec.continue_from.job
    _check_same_rule(spec, original.rule, "continue_from.job", name)
    if spec.n_episodes <= n_episodes:
        raise FieldProblem(
            "n_episodes",
            f"n_episodes must be more than {n_episodes}, the episodes that {name} has behind it at update "
            f"{spec.continue_from.checkpoint}: they count, too",
        )


def _check_same_rule(
    spec: MetaTrainingSpec,
    rule: Any,
    field: str,
    reference: str,
    but: Collection[str] = (),
) -> None:
    """The rule of what the field refers to is the spec's own, up to the parts named in `but`."""
    wanted = asdict(spec.rule)
    other = asdict(rule)
    for name in ["kind", *wanted]:
        if name not in but and wanted.get(name) != other.get(name):
            raise FieldProblem(
                field,
                f"{field} {reference} has rule.{name} {other.get(name)!r}, "
                f"but the job has {wanted.get(name)!r}",
            )

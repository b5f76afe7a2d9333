"""The spec of a meta-training job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal, Self

from hyperadam.rules import HyperAdamSpec, rule_from_spec
from pydantic import Field, model_validator

from meta_trainer.specs.adjustment import AdjustmentSpec
from meta_trainer.specs.base import Init, Name, Reference, RuleSpec, Seed
from meta_trainer.specs.continuation import ContinueSpec
from meta_trainer.specs.distributions import TaskDistribution
from meta_trainer.specs.estimators import ESSpec, EstimatorSpec, TBPTTSpec, parts_of
from meta_trainer.specs.faults import DivergenceSpec, JobSpec
from meta_trainer.specs.meta_optimizer import MetaOptimizerSpec
from meta_trainer.specs.plain_tasks import MLPTaskSpec, PlainTaskSpec
from meta_trainer.specs.presets import RECOMMENDED, lay_out
from meta_trainer.specs.problems import FieldProblem
from meta_trainer.specs.promotion import PromotionSpec
from meta_trainer.specs.tasks import TaskSpec
from meta_trainer.specs.timeline import Timeline, timeline
from meta_trainer.specs.tricks import TricksSpec
from meta_trainer.specs.unrolls import UnrollSpec
from meta_trainer.specs.validation import ValidationSpec


class MetaTrainingSpec(JobSpec):
    """A meta-training job: where Θ starts, what it is trained on, and for how long."""

    register_as: Name = "hyperadam"
    """The optimizer under whose name the learned Θ becomes a new version; for other rules, their
    kind if not given."""
    rule: RuleSpec = HyperAdamSpec(**RECOMMENDED["hyperadam"]["rule"])
    """`kind` is `hyperadam`, `hyperadam-tensor`, `rnnprop` or `dm`. Fields that are not given are
    those of `RECOMMENDED`, then those of the kind's own spec."""
    init: Init = "adam-ensemble"
    """One of the rule's initialisations; if not given, its first. `adam-ensemble` and
    `warm-ensemble` are HyperAdam's alone, and the latter needs its LSTM; `ensemble` is that of
    `hyperadam-tensor`."""
    parent: Reference | None = None
    """A registered version of the same rule that Θ starts from instead of `init`; kept as a version
    number. Only `skip_zero_gradients`, `direction_bound` and `sparse_above` may be other than its
    own."""
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
    """Random scaling and the convex function (Section 4 of the paper)."""
    unroll: UnrollSpec = UnrollSpec()
    """How episodes are run and scored."""
    estimator: EstimatorSpec = TBPTTSpec()
    """How the meta-gradient is had: `kind` is `tbptt`, `es`, `pes`, `es-single` or `mix`."""
    meta_optimizer: MetaOptimizerSpec = MetaOptimizerSpec()
    """What moves Θ."""
    validation: ValidationSpec = ValidationSpec()
    """What Θ is chosen by."""
    n_learners: int = Field(default=8, ge=1, le=4096)
    """Learners whose meta-gradients are averaged in one update of Θ."""
    chunk_size: int = Field(default=2, ge=1, le=256)
    """Learners run as one batch by one worker; part of the spec because it decides the order of
    sums."""
    divergence: DivergenceSpec = DivergenceSpec()
    """When the training is stopped before its end."""
    n_episodes: int = Field(default=100, ge=1, le=1_000_000)
    """Episodes of the whole training: how long it is."""
    checkpoint_every_updates: int = Field(default=10, ge=1, le=100_000)
    """Updates of Θ between two checkpoints, from which a lost or paused job goes on."""
    staleness: int = Field(default=0, ge=0, le=16)
    """Updates that Θ may be old when a chunk's period begins. 0: all chunks wait for each other;
    more: those that are done go on while others are at work, and checkpoints keep a log, by which
    the training can be repeated bit for bit."""
    seed: Seed = 0
    """Everything random follows from it."""
    kernel: Literal["kept", "fused", "any"] = "kept"
    """Of the rule: `kept`, the one that the first attempt had, so that Θ is the same bit for bit
    whatever happens; `fused`, compiled from the first attempt on; `any`, whatever each attempt
    has."""
    promote: PromotionSpec | None = None
    """Whether, and by what rule, the new version takes over an alias when the training is done."""

    @model_validator(mode="before")
    @classmethod
    def _lay_over_defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        fields = lay_out(data)
        if data.get("task") is not None and "tasks" not in data:
            fields["tasks"] = None
        elif fields.get("tasks") is not None and "task" not in data:
            fields["task"] = None
        return fields

    @model_validator(mode="after")
    def _one_way_to_say_tasks(self) -> Self:
        if (self.task is None) == (self.tasks is None):
            raise FieldProblem(
                "tasks", "tasks and task exclude each other, and one of them must be given"
            )
        return self

    @model_validator(mode="after")
    def _horizons_of_whole_periods(self) -> Self:
        period = self.unroll.period
        if period and any(n_steps % period for n_steps in self._horizons):
            raise FieldProblem(
                "tasks", f"tasks must have a horizon in multiples of the period, which is {period}"
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
        self._check_rule_of_adjustment()
        if self.continue_from is not None:
            raise FieldProblem(
                "adjustment",
                "adjustment must not be given where continue_from is: that goes on as it was",
            )
        return self

    def _check_rule_of_adjustment(self) -> None:
        kind = self.rule.kind
        if self.adjustment.is_of_candidates and kind != "hyperadam":
            raise FieldProblem(
                "adjustment",
                "memory, tilt and response of adjustment are for rule 'hyperadam', "
                f"got them for {kind!r}",
            )
        if self.adjustment.is_of_length and kind != "hyperadam-tensor":
            raise FieldProblem(
                "adjustment",
                "length and length_kept of adjustment are for rule 'hyperadam-tensor', "
                f"got them for {kind!r}",
            )

    @model_validator(mode="after")
    def _whole_episodes_for_es(self) -> Self:
        period = self.unroll.period
        has_es = any(isinstance(part, ESSpec) for _, part in parts_of(self.estimator))
        if has_es and period:
            raise FieldProblem(
                "estimator",
                f"estimator 'es' runs whole episodes: unroll.period must be null, got {period}",
            )
        return self

    @model_validator(mode="after")
    def _truncations_that_divide_periods(self) -> Self:
        for _, part in parts_of(self.estimator):
            if isinstance(part, TBPTTSpec) and not self._divides_every_period(part.truncation):
                raise FieldProblem(
                    "estimator",
                    f"estimator has a truncation of {part.truncation}, "
                    "which must divide every period",
                )
        return self

    def _divides_every_period(self, truncation: int | None) -> bool:
        """None, no truncation, does."""
        if not truncation:
            return True
        if self.unroll.period:
            return self.unroll.period % truncation == 0
        divides_horizons = all(n_steps % truncation == 0 for n_steps in self._horizons)
        return divides_horizons and not self._horizons_vary

    @model_validator(mode="after")
    def _init_of_the_rule(self) -> Self:
        inits = rule_from_spec(asdict(self.rule)).inits
        if self.init not in inits:
            raise FieldProblem(
                "init",
                f"init must be one of {', '.join(inits)} for rule {self.rule.kind!r}, "
                f"got {self.init!r}",
            )
        return self

    @model_validator(mode="after")
    def _tensors_of_the_rule(self) -> Self:
        shapes = rule_from_spec(asdict(self.rule)).theta_shapes
        named = [("meta_optimizer.tensors", self.meta_optimizer.tensors)]
        for _, part in parts_of(self.estimator):
            if not isinstance(part, TBPTTSpec):
                named.append(("estimator.tensors", part.tensors))
        for field, names in named:
            for name in names or ():
                if name not in shapes:
                    raise FieldProblem(
                        field, f"{field} must be some of {', '.join(shapes)}, got {name!r}"
                    )
        return self

    @model_validator(mode="after")
    def _lengths_of_the_rule(self) -> Self:
        if self.validation.lengths and rule_from_spec(asdict(self.rule)).log_length is None:
            raise FieldProblem(
                "validation.lengths",
                f"validation.lengths must be empty for rule {self.rule.kind!r}: "
                "the length of its steps is no part of Θ",
            )
        return self

    @model_validator(mode="after")
    def _whole_chunks(self) -> Self:
        if self.n_learners % self.chunk_size:
            raise FieldProblem(
                "n_learners",
                "n_learners must be a multiple of chunk_size, "
                f"got {self.n_learners} and {self.chunk_size}",
            )
        return self

    @property
    def n_chunks(self) -> int:
        return self.n_learners // self.chunk_size

    @property
    def timeline(self) -> Timeline:
        """The lengths of the episodes."""
        curriculum = self.unroll.curriculum
        growth = (curriculum.initial, curriculum.growth) if curriculum else None
        shortest, longest = self._horizons
        return timeline(
            self.seed,
            self.n_episodes,
            shortest,
            longest,
            period=self.unroll.period,
            curriculum=growth,
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
        fields = self.task.model_dump(exclude={"activations"})
        return [
            MLPTaskSpec(activation=activation, **fields) for activation in self.task.activations
        ]

    @property
    def validation_tasks(self) -> Sequence[PlainTaskSpec]:
        """What Θ is chosen by: the training activations, or what the distribution declares."""
        if self.tasks:
            return self.tasks.validation
        return list(dict.fromkeys(self.simple_tasks))

    @property
    def validation_horizons(self) -> tuple[int, ...]:
        """Steps after which validation learners are measured, rising."""
        return self.validation.horizons or (self.unroll.horizon,)

    @property
    def data_tasks(self) -> Sequence[PlainTaskSpec]:
        """Tasks that between them use all the data of the job."""
        families = self.tasks.families if self.tasks else []
        typical = [task for family in families for task in family.typical()]
        return [*typical, *self.validation_tasks]

    @property
    def _horizons_vary(self) -> bool:
        shortest, longest = self._horizons
        return shortest != longest or self.unroll.curriculum is not None

    @property
    def _horizons(self) -> tuple[int, int]:
        """The shortest and the longest T of an episode."""
        if self.tasks and self.tasks.horizon:
            return self.tasks.horizon
        return self.unroll.horizon, self.unroll.horizon

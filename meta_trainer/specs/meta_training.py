"""The spec of a meta-training job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal, Self

from hyperadam.rules import HyperAdamSpec, rule_from_spec
from pydantic import Field, model_validator

from meta_trainer.specs.base import Init, MetaLoss, Name, RuleSpec, Score, Seed, Spec
from meta_trainer.specs.distributions import TaskDistribution
from meta_trainer.specs.faults import DivergenceSpec, JobSpec
from meta_trainer.specs.plain_tasks import CNNTaskSpec, LSTMTaskSpec, MLPTaskSpec
from meta_trainer.specs.presets import RECOMMENDED, lay_out
from meta_trainer.specs.promotion import PromotionSpec
from meta_trainer.specs.tasks import TaskSpec
from meta_trainer.timeline import Timeline, timeline


class TricksSpec(Spec):
    """The two training tricks of Section 4, Eq. (9); a range or dimension of 0 turns one off."""

    random_scaling: float = Field(default=3.0, ge=0, le=10)
    """RS: c = exp(U(−r, r)) for each coordinate of the learner."""
    convex_dimension: int = Field(default=20, ge=0, le=1000)
    """CC: dimension of the convex function added to the loss."""
    convex_scaling: float = Field(default=1.0, ge=0, le=10)
    """RS for the coordinates of the convex function."""
    plain_fraction: float = Field(default=0.0, ge=0, le=1)
    """Share of the chunks of every episode that run without RS (rounded to whole chunks, all in turn)."""


class UnrollSpec(Spec):
    """Episodes and periods of truncated back-propagation through time."""

    horizon: int = Field(default=100, ge=1, le=100_000)
    """T, steps of one episode."""
    period: int = Field(default=20, ge=1, le=1000)
    """Steps between two updates of Θ; divides the horizon."""
    score: Score = "next"
    """Which loss step t is scored by: of w_t on minibatch t + 1, of w_{t−1} on t (the 2019 code), or of w_t on t."""
    meta_loss: MetaLoss = "mean"
    """Mean of the scored losses (Eq. 8), or of their logarithms, which gives late and small losses the same say; or the
    loss of each period's last step alone (RNNprop)."""
    late_weight: float = Field(default=0.0, ge=0, le=16)
    """k: step t of the episode counts (k + 1) (t/T)^k in the meta-loss. The first periods, whose losses and gradients
    are by far the largest, otherwise decide the step size for all; 0: all steps count the same (the paper)."""
    lr: float = Field(default=0.005, gt=0, le=1)
    """α, the learner's rate; becomes the Θ's default."""

    @model_validator(mode="after")
    def _whole_periods(self) -> Self:
        if self.horizon % self.period:
            raise ValueError(f"horizon must be a multiple of period, got {self.horizon} and {self.period}")
        return self


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
    averaging: float = Field(default=0.0, ge=0, lt=1)
    """Decay d of the running mean Θ̄ ← d Θ̄ + (1 − d) Θ, which is what is validated and kept; 0: Θ itself."""


class ValidationSpec(Spec):
    """Plain episodes (no RS, no CC) on fixed starts and minibatches; the Θ with the lowest final loss is kept."""

    every_episodes: int = Field(default=10, ge=1, le=100_000)
    n_learners: int = Field(default=4, ge=1, le=256)
    """Learners for each activation of the task."""


class MetaTrainingSpec(JobSpec):
    """A meta-training job: where Θ starts, what it is trained on, and for how long."""

    register_as: Name = "hyperadam"
    """The optimizer under whose name the learned Θ becomes a new version; for other rules, their kind if not given."""
    rule: RuleSpec = HyperAdamSpec(**RECOMMENDED["hyperadam"]["rule"])
    """`kind` is `hyperadam`, `rnnprop` or `dm`. Fields that are not given are those of `RECOMMENDED`, then those of the
    kind's own spec."""
    init: Init = "adam-ensemble"
    """One of the rule's initialisations; if not given, its first. `adam-ensemble` is HyperAdam's alone."""
    task: TaskSpec | None = TaskSpec()
    """What is trained on, said simply; null where `tasks` is given."""
    tasks: TaskDistribution | None = None
    """What is trained on, as a distribution, instead of `task`."""
    tricks: TricksSpec = TricksSpec()
    unroll: UnrollSpec = UnrollSpec()
    meta_optimizer: MetaOptimizerSpec = MetaOptimizerSpec()
    validation: ValidationSpec = ValidationSpec()
    n_learners: int = Field(default=8, ge=1, le=4096)
    """Learners whose meta-gradients are averaged in one update of Θ."""
    chunk_size: int = Field(default=2, ge=1, le=256)
    """Learners run as one batch by one worker; part of the spec because it decides the order of sums."""
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
        return given | {"task": None} if given.get("tasks") is not None and "task" not in data else given

    @model_validator(mode="after")
    def _one_way_to_say_tasks(self) -> Self:
        if (self.task is None) == (self.tasks is None):
            raise ValueError("tasks and task exclude each other, and one of them must be given")
        if any(steps % self.unroll.period for steps in self._horizons):
            raise ValueError(f"tasks must have a horizon in multiples of the period, which is {self.unroll.period}")
        return self

    @model_validator(mode="after")
    def _init_of_the_rule(self) -> Self:
        inits = rule_from_spec(asdict(self.rule)).inits
        if self.init not in inits:
            raise ValueError(f"init must be one of {', '.join(inits)} for rule {self.rule.kind!r}, got {self.init!r}")
        return self

    @model_validator(mode="after")
    def _whole_chunks(self) -> Self:
        if self.n_learners % self.chunk_size:
            raise ValueError(
                f"n_learners must be a multiple of chunk_size, got {self.n_learners} and {self.chunk_size}"
            )
        return self

    @property
    def n_chunks(self) -> int:
        return self.n_learners // self.chunk_size

    @property
    def periods_per_episode(self) -> int:
        """Of an episode of `unroll.horizon` steps; see `timeline` for those whose horizon is drawn."""
        return self.unroll.horizon // self.unroll.period

    @property
    def timeline(self) -> Timeline:
        """The lengths of the episodes."""
        shortest, longest = (steps // self.unroll.period for steps in self._horizons)
        return timeline(self.seed, self.n_episodes, shortest, longest)

    def horizon_of(self, episode: int) -> int:
        """T of an episode, in steps."""
        return self.timeline.lengths[episode] * self.unroll.period

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
    def validation_tasks(self) -> Sequence[MLPTaskSpec | CNNTaskSpec | LSTMTaskSpec]:
        """What Θ is chosen by: the training activations, or what the distribution declares."""
        return self.tasks.validation if self.tasks else list(dict.fromkeys(self.simple_tasks))

    @property
    def data_tasks(self) -> Sequence[MLPTaskSpec | CNNTaskSpec | LSTMTaskSpec]:
        """Tasks that between them use all the data of the job."""
        drawn = [task for family in self.tasks.families for task in family.typical()] if self.tasks else []
        return [*drawn, *self.validation_tasks]

    @property
    def _horizons(self) -> tuple[int, int]:
        """The shortest and the longest T of an episode."""
        own = self.unroll.horizon, self.unroll.horizon
        return (self.tasks.horizon or own) if self.tasks else own

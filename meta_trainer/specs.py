"""The typed, bounded specs of jobs: the only thing a client can ask with.

A spec is data: numbers within bounds and choices from lists, never code, a path, a URL or an import string. The service
validates it on submission and stores it complete, with every default written out, so that a job means the same
tomorrow. """

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from hyperadam.names import NAME_PATTERN, check_name, split_ref
from hyperadam.rules import HyperAdamSpec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

DatasetName = Literal["mnist5k", "mnist", "fashion_mnist", "cifar10"]
Activation = Literal["sigmoid", "relu", "elu", "tanh"]
Score = Literal["next", "pre", "post-same"]
MetaLoss = Literal["mean", "log"]
BaselineName = Literal["adam", "adam-1e-12", "sgd", "momentum", "rmsprop", "adagrad", "adadelta", "adamw", "nadam"]

ACTIVATIONS: Final[tuple[Activation, ...]] = ("sigmoid", "relu", "elu", "tanh")


def _check_reference(value: str) -> str:
    split_ref(value)
    return value


Name = Annotated[str, Field(pattern=NAME_PATTERN), AfterValidator(check_name)]
Reference = Annotated[str, AfterValidator(_check_reference)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Spec(BaseModel):
    """Frozen, and refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TaskSpec(Spec):
    """The learner, its start and its data: an MLP classifier, as in Section 4 of the paper."""

    dataset: DatasetName = "mnist5k"
    activations: Annotated[tuple[Activation, ...], Field(min_length=1, max_length=16)] = ("sigmoid",)
    """Chunks of learners take these in turn."""
    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=1024)], ...], Field(max_length=12)] = (20,)
    """Widths of the hidden layers."""
    batch_size: int = Field(default=128, ge=1, le=4096)
    init_std: float = Field(default=0.1, gt=0, le=10)
    """Weights and biases start as N(0, init_std²)."""


class TricksSpec(Spec):
    """The two training tricks of Section 4, Eq. (9); a range or dimension of 0 turns one off."""

    random_scaling: float = Field(default=3.0, ge=0, le=10)
    """RS: c = exp(U(−r, r)) for each coordinate of the learner."""
    convex_dimension: int = Field(default=20, ge=0, le=1000)
    """CC: dimension of the convex function added to the loss."""
    convex_scaling: float = Field(default=1.0, ge=0, le=10)
    """RS for the coordinates of the convex function."""
    plain_fraction: float = Field(default=0.0, ge=0, le=1)
    """Share of the chunks of every update that run without RS (rounded to whole chunks)."""


class UnrollSpec(Spec):
    """Episodes and periods of truncated back-propagation through time."""

    horizon: int = Field(default=100, ge=1, le=100_000)
    """T, steps of one episode."""
    period: int = Field(default=20, ge=1, le=1000)
    """Steps between two updates of Θ; divides the horizon."""
    score: Score = "next"
    """Which loss step t is scored by: of w_t on minibatch t + 1, of w_{t−1} on t (the 2019 code), or of w_t on t."""
    meta_loss: MetaLoss = "mean"
    """Mean of the scored losses (Eq. 8), or of their logarithms, which gives late and small losses the same say."""
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


RECOMMENDED_RULE: Final[dict[str, Any]] = {
    "kind": "hyperadam",
    "normalization": "rms",
    "norm_epsilon": 0.0,
    "squash": "asinh",
}
"""What a job's `rule` is laid over: norms that do not depend on the number of coordinates."""


class MetaTrainingSpec(Spec):
    """A meta-training job: where Θ starts, what it is trained on, and for how long."""

    register_as: Name = "hyperadam"
    """The optimizer under whose name the learned Θ becomes a new version."""
    rule: HyperAdamSpec = HyperAdamSpec(**RECOMMENDED_RULE)
    """Fields that are not given are those of `RECOMMENDED_RULE`, then those of `HyperAdamSpec`."""
    init: Literal["adam-ensemble", "paper"] = "adam-ensemble"
    task: TaskSpec = TaskSpec()
    tricks: TricksSpec = TricksSpec()
    unroll: UnrollSpec = UnrollSpec()
    meta_optimizer: MetaOptimizerSpec = MetaOptimizerSpec()
    validation: ValidationSpec = ValidationSpec()
    n_learners: int = Field(default=8, ge=1, le=4096)
    """Learners whose meta-gradients are averaged in one update of Θ."""
    chunk_size: int = Field(default=2, ge=1, le=256)
    """Learners run as one batch by one worker; part of the spec because it decides the order of sums."""
    n_episodes: int = Field(default=100, ge=1, le=1_000_000)
    checkpoint_every_updates: int = Field(default=10, ge=1, le=100_000)
    seed: Seed = 0

    @model_validator(mode="before")
    @classmethod
    def _lay_over_defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        given = dict(data)
        name = given.pop("preset", "custom")
        if name not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}")
        given = merge(PRESETS[name], given)
        if isinstance(given.get("rule"), dict):
            given["rule"] = merge(RECOMMENDED_RULE, given["rule"])
        return given

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
        return self.unroll.horizon // self.unroll.period

    @property
    def n_updates(self) -> int:
        return self.n_episodes * self.periods_per_episode


class EvaluationSpec(Spec):
    """An evaluation job: versions of Θ beside tuned baselines, on paired starts and minibatches."""

    optimizers: Annotated[tuple[Reference, ...], Field(min_length=1, max_length=8)]
    """`name@ref`; the service pins each to a version number on submission."""
    suite: Literal["activations"] = "activations"
    """`activations`: Table 1, the basic MLP with sigmoid, ReLU, ELU and tanh."""
    dataset: DatasetName = "mnist5k"
    n_starts: int = Field(default=20, ge=2, le=1000)
    """Random starts that every optimizer runs from."""
    n_tuning_starts: int = Field(default=4, ge=1, le=100)
    """Other starts, on which the baselines' rates are tuned."""
    horizon: int = Field(default=100, ge=1, le=10_000)
    baselines: Annotated[tuple[BaselineName, ...], Field(max_length=9)] = ("adam", "adam-1e-12", "sgd", "momentum")
    seed: Seed = 1

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for name, values in (("optimizers", self.optimizers), ("baselines", self.baselines)):
            if len(set(values)) < len(values):
                raise ValueError(f"{name} must differ from each other, got {', '.join(values)}")
        return self


PRESETS: Final[dict[str, dict[str, Any]]] = {
    "custom": {},
    "quick": {
        "task": {"activations": ["sigmoid", "relu"]},
        "n_learners": 4,
        "n_episodes": 10,
        "validation": {"every_episodes": 5, "n_learners": 2},
    },
    "default": {"task": {"dataset": "mnist", "activations": ["sigmoid", "relu", "elu", "tanh"]}},
    "paper": {
        "rule": {"normalization": "euclidean", "norm_epsilon": 1e-16, "squash": "none"},
        "init": "paper",
        "task": {"dataset": "mnist"},
        "meta_optimizer": {"rate": 1e-4, "schedule": "constant", "warmup_updates": 0},
        "n_learners": 1,
        "chunk_size": 1,
    },
}
"""Named starting points; `{"preset": "quick", "seed": 3}` is the preset with the other fields laid over it."""


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, object by object."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged

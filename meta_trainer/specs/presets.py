"""Named starting points of a meta-training, and how fields are laid over them."""

from __future__ import annotations

from typing import Any, Final

RECOMMENDED_RULE: Final[dict[str, Any]] = {
    "kind": "hyperadam",
    "normalization": "rms",
    "norm_epsilon": 0.0,
    "squash": "asinh",
}
"""What a job's `rule` is laid over: norms that do not depend on the number of coordinates."""

PRESETS:
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

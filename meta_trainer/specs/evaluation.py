"""The spec of an evaluation job."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from meta_trainer.specs.base import BaselineName, DatasetName, Reference, Seed, Spec


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

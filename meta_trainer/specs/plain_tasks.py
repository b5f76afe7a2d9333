"""Plain tasks: a learner of one exact shape, its start, its data. What validation runs, and what
sampling gives."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from meta_trainer.specs.base import (
    Activation,
    Architecture,
    DatasetName,
    Initialization,
    Side,
    Spec,
)
from meta_trainer.specs.problems import FieldProblem

Width = Annotated[int, Field(ge=1, le=1024)]
BatchSize = Annotated[int, Field(ge=1, le=4096)]
InitStd = Annotated[float, Field(gt=0, le=10)]
LayerCount = Annotated[int, Field(ge=1, le=2)]
NoiseStd = Annotated[float, Field(ge=0, le=10)]

USUAL_INIT_STD: Final = 0.1
"""That of the paper."""


def start_fields(initialization: Initialization, init_std: float) -> dict[str, Any]:
    """How a task starts, by its fields; only `normal` has an `init_std` of one's choice."""
    has_scale = initialization == "normal"
    return {
        "initialization": initialization,
        "init_std": init_std if has_scale else USUAL_INIT_STD,
    }


class MLPTaskSpec(Spec):
    """A multilayer perceptron that classifies images; the defaults are the paper's basic MLP."""

    kind: Literal["mlp"] = "mlp"
    dataset: DatasetName = "mnist5k"
    activation: Activation = "sigmoid"
    hidden: Annotated[tuple[Width, ...], Field(max_length=12)] = (20,)
    """Widths of the hidden layers."""
    batch_size: BatchSize = 128
    init_std: InitStd = USUAL_INIT_STD
    """Weights and biases start as N(0, init_std²)."""
    side: Side | None = None
    """Images are grey and averaged down to so many pixels in height and width; null: as they
    are."""
    initialization: Initialization = "normal"
    """`normal` is N(0, init_std²), the others are `meta_trainer.learners.initializations`."""

    @model_validator(mode="after")
    def _a_scale_that_counts(self) -> Self:
        if self.initialization != "normal" and self.init_std != USUAL_INIT_STD:
            raise FieldProblem(
                "init_std",
                f"init_std must not be given where initialization is "
                f"{self.initialization!r}, which has scales of its own",
            )
        return self


class CNNTaskSpec(Spec):
    """A convolutional network that classifies images."""

    kind: Literal["cnn"] = "cnn"
    dataset: DatasetName = "mnist5k"
    architecture: Architecture = "cnn-1"
    """`cnn-1` is c-c-p-f, `cnn-2` c-c-p-c-c-p-f-f."""
    batch_norm: bool = False
    dropout: bool = False
    batch_size: BatchSize = 128
    init_std: InitStd = 0.1


class LSTMTaskSpec(Spec):
    """A recurrent network that predicts the next value of a sine from ten noisy ones."""

    kind: Literal["lstm"] = "lstm"
    n_layers: LayerCount = 1
    hidden: Annotated[int, Field(ge=1, le=256)] = 20
    noise_std: NoiseStd = 0.1
    """Standard deviation of the inputs' noise: 0.1, or 0.01 for the paper's "small noise"."""
    batch_size: BatchSize = 128
    init_std: InitStd = 0.1


PlainTaskSpec = Annotated[MLPTaskSpec | CNNTaskSpec | LSTMTaskSpec, Field(discriminator="kind")]

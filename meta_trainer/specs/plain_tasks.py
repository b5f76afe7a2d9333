"""Plain tasks: a learner of one exact shape, its start, its data. What validation runs, and what
sampling gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, Union

from pydantic import Field, model_validator

from meta_trainer.specs.base import (
    Activation,
    Architecture,
    Initialization,
    Side,
    Spec,
)
from meta_trainer.specs.blocks import MAX_BLOCKS, Block
from meta_trainer.specs.datasets import DatasetName, is_registered
from meta_trainer.specs.installed import installed_tasks
from meta_trainer.specs.problems import FieldProblem

Width = Annotated[int, Field(ge=1, le=1024)]
BatchSize = Annotated[int, Field(ge=1, le=4096)]
InitStd = Annotated[float, Field(gt=0, le=10)]
LayerCount = Annotated[int, Field(ge=1, le=2)]
NetworkDepth = Annotated[int, Field(ge=1, le=8)]
NoiseStd = Annotated[float, Field(ge=0, le=10)]

NetworkName = Literal[
    "cnn",
    "cnn-norm",
    "gru",
    "lstm",
    "attention",
    "mixer",
    "language",
    "tied-language",
    "text",
    "masked-text",
    "autoencoder",
    "regression",
    "recommender",
]
NetworkWidth = Annotated[int, Field(ge=4, le=128, multiple_of=4)]

SYNTHETIC: Final[frozenset[NetworkName]] = frozenset(
    {"language", "tied-language", "text", "masked-text", "regression", "recommender"}
)
"""Networks whose data is made up from seeds, unless they are given data that fits them."""


def reads_dataset(network: NetworkName, dataset: str) -> bool:
    """Whether a network is trained on the dataset: `regression` on a registered one alone."""
    return network not in SYNTHETIC or (network == "regression" and is_registered(dataset))


USUAL_INIT_STD: Final = 0.1
"""That of the paper."""


def start_fields(initialization: Initialization, init_std: float) -> dict[str, Any]:
    """How a task starts, by its fields; only `normal` has an `init_std` of one's choice."""
    has_scale = initialization == "normal"
    return {
        "initialization": initialization,
        "init_std": init_std if has_scale else USUAL_INIT_STD,
    }


def _check_scale(initialization: Initialization, init_std: float) -> None:
    """Only `normal` has an `init_std` of one's choice."""
    if initialization != "normal" and init_std != USUAL_INIT_STD:
        raise FieldProblem(
            "init_std",
            f"init_std must not be given where initialization is {initialization!r}, "
            "which has scales of its own",
        )


class MLPTaskSpec(Spec):
    """A multilayer perceptron that classifies images; the defaults are the paper's basic MLP."""

    kind: Literal["mlp"] = "mlp"
    dataset: DatasetName = "mnist5k"
    """Images that the learner classifies."""
    activation: Activation = "sigmoid"
    """Function after each hidden layer."""
    hidden: Annotated[tuple[Width, ...], Field(max_length=12)] = (20,)
    """Widths of the hidden layers."""
    batch_size: BatchSize = 128
    """Examples in a minibatch."""
    init_std: InitStd = USUAL_INIT_STD
    """Weights and biases start as N(0, init_std²)."""
    side: Side | None = None
    """Images are grey and averaged down to so many pixels in height and width; null: as they
    are."""
    initialization: Initialization = "normal"
    """`normal` is N(0, init_std²), the others are `meta_trainer.learners.initializations`."""

    @model_validator(mode="after")
    def _a_scale_that_counts(self) -> Self:
        _check_scale(self.initialization, self.init_std)
        return self


class CNNTaskSpec(Spec):
    """A convolutional network that classifies images."""

    kind: Literal["cnn"] = "cnn"
    dataset: DatasetName = "mnist5k"
    """Images that the learner classifies."""
    architecture: Architecture = "cnn-1"
    """`cnn-1` is c-c-p-f, `cnn-2` c-c-p-c-c-p-f-f."""
    batch_norm: bool = False
    """Whether a batch norm stands after each convolution."""
    dropout: bool = False
    """Whether activations are dropped at random in training."""
    batch_size: BatchSize = 128
    """Examples in a minibatch."""
    init_std: InitStd = 0.1
    """Weights and biases start as N(0, init_std²)."""


class LSTMTaskSpec(Spec):
    """A recurrent network that predicts the next value of a sine from ten noisy ones."""

    kind: Literal["lstm"] = "lstm"
    n_layers: LayerCount = 1
    """LSTM layers, one above the other."""
    hidden: Annotated[int, Field(ge=1, le=256)] = 20
    """Numbers in the state of each layer."""
    noise_std: NoiseStd = 0.1
    """Standard deviation of the inputs' noise: 0.1, or 0.01 for the paper's "small noise"."""
    batch_size: BatchSize = 128
    """Examples in a minibatch."""
    init_std: InitStd = 0.1
    """Weights and biases start as N(0, init_std²)."""


class NetworkTaskSpec(Spec):
    """A network of today, of any size; the defaults are small."""

    kind: Literal["network"] = "network"
    network: NetworkName = "cnn"
    """Which network: see `meta_trainer.learners.batched`."""
    dataset: DatasetName = "mnist5k"
    """Of networks on images, like `side`; languages have data of their own, and `regression` unless
    a registered dataset of numbers is named."""
    side: Side | None = 7
    """Images are grey and averaged down to so many pixels in height and width; null: as they
    are."""
    width: NetworkWidth = 8
    """Numbers that it keeps for each place."""
    depth: NetworkDepth = 1
    """Of `attention`, `mixer`, `language`, `tied-language`, `text` and `masked-text`: layers, one
    above the other."""
    activation: Activation = "relu"
    """Of `cnn`, `cnn-norm`, `autoencoder`, `regression` and `recommender`."""
    batch_size: BatchSize = 32
    """Examples in a minibatch."""
    initialization: Initialization = "torch"
    """`normal` is N(0, init_std²), the others are `meta_trainer.learners.initializations`."""
    init_std: InitStd = USUAL_INIT_STD
    """Of `normal`: weights and biases start as N(0, init_std²)."""
    variant: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of `regression`: which function, and which scales of inputs and targets. Of `text` and
    `masked-text`: which of four texts. Of `recommender`: whose tastes."""

    @model_validator(mode="after")
    def _a_scale_that_counts(self) -> Self:
        _check_scale(self.initialization, self.init_std)
        return self


Blocks = Annotated[tuple[Block, ...], Field(max_length=MAX_BLOCKS)]


class DescribedTaskSpec(Spec):
    """A network that is described block by block, and classifies images or vectors, or predicts
    numbers; a dense layer to the classes or numbers follows the last block. Blocks start as torch's
    layers do."""

    kind: Literal["described"] = "described"
    blocks: Blocks = Field(
        examples=[[{"kind": "conv", "channels": 8}, {"kind": "pool"}, {"kind": "linear"}]]
    )
    """One after the other, from the image on."""
    dataset: DatasetName = "mnist5k"
    """Images that the learner classifies."""
    side: Side | None = 7
    """Images are grey and averaged down to so many pixels in height and width; null: as they
    are."""
    batch_size: BatchSize = 32
    """Examples in a minibatch."""
    init_std: InitStd = 1.0
    """Times the start that torch gives each layer."""


if TYPE_CHECKING:
    PlainTaskSpec = Annotated[
        MLPTaskSpec | CNNTaskSpec | LSTMTaskSpec | NetworkTaskSpec | DescribedTaskSpec,
        Field(discriminator="kind"),
    ]
else:
    _INSTALLED = tuple(task.value for task in installed_tasks().values())
    PlainTaskSpec = Annotated[
        Union[
            (
                MLPTaskSpec,
                CNNTaskSpec,
                LSTMTaskSpec,
                NetworkTaskSpec,
                DescribedTaskSpec,
                *_INSTALLED,
            )
        ],
        Field(discriminator="kind"),
    ]

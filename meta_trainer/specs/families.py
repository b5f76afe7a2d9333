"""Families of learners: the ranges [lowest, highest] and lists of choices that a distribution draws
plain tasks from."""

from __future__ import annotations

import math
from itertools import product
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, Field

from meta_trainer.specs.base import (
    Activation,
    Architecture,
    Initialization,
    Side,
    Spec,
)
from meta_trainer.specs.datasets import DatasetName
from meta_trainer.specs.plain_tasks import (
    BatchSize,
    Blocks,
    CNNTaskSpec,
    DescribedTaskSpec,
    InitStd,
    LayerCount,
    LSTMTaskSpec,
    MLPTaskSpec,
    NetworkDepth,
    NetworkName,
    NetworkTaskSpec,
    NetworkWidth,
    NoiseStd,
    PlainTaskSpec,
    Width,
    reads_dataset,
    start_fields,
)

Number = TypeVar("Number", int, float)
Item = TypeVar("Item")

MAX_CHOICES: Final = 16


def _ordered(value: tuple[Number, Number]) -> tuple[Number, Number]:
    if value[0] > value[1]:
        raise ValueError(f"a range is [lowest, highest], got {list(value)}")
    return value


def _choices(value: tuple[Item, ...]) -> tuple[Item, ...]:
    if not 1 <= len(value) <= MAX_CHOICES:
        raise ValueError(f"there must be 1 to {MAX_CHOICES} choices, got {len(value)}")
    if len(set(value)) < len(value):
        raise ValueError(f"choices must differ from each other, got {list(value)}")
    return value


Range = Annotated[tuple[Number, Number], AfterValidator(_ordered)]
Choices = Annotated[tuple[Item, ...], AfterValidator(_choices)]

Depth = Annotated[int, Field(ge=0, le=12)]
Hidden = Annotated[int, Field(ge=1, le=256)]
Share = Annotated[float, Field(gt=0, le=1e6)]


class _Family(Spec):
    share: Share = 1.0
    """How often the kind is drawn, in proportion to the shares of the others."""
    batch_sizes: Choices[BatchSize] = (128,)
    """Examples in a minibatch."""
    init_std: Range[InitStd] = (0.1, 0.1)
    """Log-uniform, for every learner."""


class MLPFamily(_Family):
    """Multilayer perceptrons."""

    datasets: Choices[DatasetName] = ("mnist5k",)
    """Images that learners classify."""
    activations: Choices[Activation] = ("sigmoid",)
    """Functions after each hidden layer."""
    depth: Range[Depth] = (1, 1)
    """Hidden layers, uniform."""
    width: Range[Width] = (20, 20)
    """Of each hidden layer on its own, log-uniform."""
    sides: Choices[Side | None] = (None,)
    """Images are averaged down to so many pixels in height and width; null: as they are."""
    initializations: Choices[Initialization] = ("normal",)
    """`init_std` is for `normal` alone."""

    def typical(self) -> list[PlainTaskSpec]:
        """One task for each dataset and activation, in the middle of the ranges."""
        depth = (self.depth[0] + self.depth[1]) // 2
        hidden = (_find_middle(self.width),) * depth
        fields: dict[str, Any] = {
            "hidden": hidden,
            "side": self.sides[0],
            **_list_common_fields(self),
        }
        fields |= start_fields(self.initializations[0], fields["init_std"])
        combinations = product(self.datasets, self.activations)
        return [
            MLPTaskSpec(dataset=dataset, activation=activation, **fields)
            for dataset, activation in combinations
        ]


class CNNFamily(_Family):
    """Convolutional networks."""

    datasets: Choices[DatasetName] = ("mnist5k",)
    """Images that learners classify."""
    architectures: Choices[Architecture] = ("cnn-1",)
    """`cnn-1` is c-c-p-f, `cnn-2` c-c-p-c-c-p-f-f."""
    batch_norm: Choices[bool] = (False,)
    """Whether a batch norm stands after each convolution."""
    dropout: Choices[bool] = (False,)
    """Whether activations are dropped at random in training."""

    def typical(self) -> list[PlainTaskSpec]:
        """One task for each dataset and architecture."""
        fields: dict[str, Any] = {
            "batch_norm": self.batch_norm[0],
            "dropout": self.dropout[0],
            **_list_common_fields(self),
        }
        combinations = product(self.datasets, self.architectures)
        return [
            CNNTaskSpec(dataset=dataset, architecture=architecture, **fields)
            for dataset, architecture in combinations
        ]


class LSTMFamily(_Family):
    """Recurrent networks that predict sequences."""

    n_layers: Choices[LayerCount] = (1,)
    """LSTM layers, one above the other."""
    hidden: Range[Hidden] = (20, 20)
    """Log-uniform."""
    noise_stds: Choices[NoiseStd] = (0.1,)
    """Standard deviations of the inputs' noise."""

    def typical(self) -> list[PlainTaskSpec]:
        """One task for each number of layers and noise."""
        hidden = _find_middle(self.hidden)
        fields: dict[str, Any] = {"hidden": hidden, **_list_common_fields(self)}
        combinations = product(self.n_layers, self.noise_stds)
        return [
            LSTMTaskSpec(n_layers=n_layers, noise_std=noise_std, **fields)
            for n_layers, noise_std in combinations
        ]


class NetworkFamily(_Family):
    """Networks of today, of any size (`meta_trainer.learners.batched`)."""

    networks: Choices[NetworkName] = ("cnn",)
    """Which networks: see `meta_trainer.learners.batched`."""
    datasets: Choices[DatasetName] = ("mnist5k",)
    """Of networks on images, like `sides`."""
    sides: Choices[Side | None] = (7,)
    """Images are averaged down to so many pixels in height and width; null: as they are."""
    widths: Choices[NetworkWidth] = (8,)
    """Numbers that a network keeps for each place."""
    depths: Choices[NetworkDepth] = (1,)
    """Of `attention`, `mixer`, `language`, `tied-language`, `text` and `masked-text`: layers, one
    above the other."""
    activations: Choices[Activation] = ("relu",)
    """Of `cnn`, `cnn-norm`, `autoencoder`, `regression` and `recommender`."""
    initializations: Choices[Initialization] = ("torch",)
    """`init_std` is for `normal` alone."""

    def typical(self) -> list[PlainTaskSpec]:
        """One task for each dataset and network, with the first of the other choices."""
        fields: dict[str, Any] = {
            "side": self.sides[0],
            "width": self.widths[0],
            "depth": self.depths[0],
            "activation": self.activations[0],
            **_list_common_fields(self),
        }
        fields |= start_fields(self.initializations[0], fields["init_std"])
        tasks: dict[PlainTaskSpec, None] = {}
        for dataset, network in product(self.datasets, self.networks):
            source = dataset if reads_dataset(network, dataset) else self.datasets[0]
            tasks[NetworkTaskSpec(network=network, dataset=source, **fields)] = None
        return list(tasks)


class DescribedFamily(_Family):
    """Networks that are described block by block."""

    networks: Annotated[tuple[Blocks, ...], Field(min_length=1, max_length=MAX_CHOICES)] = Field(
        examples=[[[{"kind": "linear", "width": 16}]]]
    )
    """The blocks of each network."""
    datasets: Choices[DatasetName] = ("mnist5k",)
    """Images that learners classify."""
    sides: Choices[Side | None] = (7,)
    """Images are averaged down to so many pixels in height and width; null: as they are."""
    init_std: Range[InitStd] = (1.0, 1.0)
    """Times the start that torch gives each layer; log-uniform, for every learner."""

    def typical(self) -> list[PlainTaskSpec]:
        """One task for each dataset and network, with the first of the other choices."""
        fields: dict[str, Any] = {"side": self.sides[0], **_list_common_fields(self)}
        return [
            DescribedTaskSpec(dataset=dataset, blocks=blocks, **fields)
            for dataset, blocks in product(self.datasets, self.networks)
        ]


class ListedFamily(Spec):
    """Plain tasks, each as it is: also of kinds that are installed on the server."""

    share: Share = 1.0
    """How often the kind is drawn, in proportion to the shares of the others."""
    tasks: Annotated[tuple[PlainTaskSpec, ...], Field(min_length=1, max_length=MAX_CHOICES)] = (
        Field(examples=[[{"kind": "mlp", "hidden": [8]}, {"kind": "lstm"}]])
    )
    """One of them is drawn, each as often as the others."""

    def typical(self) -> list[PlainTaskSpec]:
        """All of them."""
        return list(self.tasks)


Family = MLPFamily | CNNFamily | LSTMFamily | NetworkFamily | DescribedFamily | ListedFamily


def _list_common_fields(family: _Family) -> dict[str, Any]:
    """What the typical tasks of every family have."""
    init_std = _compute_geometric_mean(family.init_std)
    return {"batch_size": family.batch_sizes[0], "init_std": init_std}


def _compute_geometric_mean(bounds: tuple[float, float]) -> float:
    low, high = bounds
    return low if low == high else math.sqrt(low * high)


def _find_middle(bounds: tuple[int, int]) -> int:
    low, high = bounds
    return round(math.sqrt(low * high))

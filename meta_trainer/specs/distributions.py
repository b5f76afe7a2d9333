"""Task distributions: randomised learners and starts, as ranges [lowest, highest] and lists of
choices.

One plain task is drawn for every chunk of an episode, because the learners of a chunk have one
shape; starting scale and the ranges of random scaling are drawn for every learner.
`meta_trainer.tasks` does the drawing.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from meta_trainer.specs.base import (
    ACTIVATIONS,
    Activation,
    Architecture,
    DatasetName,
    Initialization,
    Side,
    Spec,
)
from meta_trainer.specs.plain_tasks import (
    BatchSize,
    CNNTaskSpec,
    InitStd,
    LayerCount,
    LSTMTaskSpec,
    MLPTaskSpec,
    NoiseStd,
    PlainTaskSpec,
    Width,
    start_fields,
)
from meta_trainer.specs.problems import FieldProblem

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
Horizon = Annotated[int, Field(ge=1, le=100_000)]
Scaling = Annotated[float, Field(ge=0, le=10)]
Share = Annotated[float, Field(gt=0, le=1e6)]


class _Family(Spec):
    share: Share = 1.0
    """How often the kind is drawn, in proportion to the shares of the others."""
    batch_sizes: Choices[BatchSize] = (128,)
    init_std: Range[InitStd] = (0.1, 0.1)
    """Log-uniform, for every learner."""


class MLPFamily(_Family):
    """Multilayer perceptrons."""

    datasets: Choices[DatasetName] = ("mnist5k",)
    activations: Choices[Activation] = ("sigmoid",)
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
    architectures: Choices[Architecture] = ("cnn-1",)
    batch_norm: Choices[bool] = (False,)
    dropout: Choices[bool] = (False,)

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
    hidden: Range[Hidden] = (20, 20)
    """Log-uniform."""
    noise_stds: Choices[NoiseStd] = (0.1,)

    def typical(self) -> list[PlainTaskSpec]:
        """One task for each number of layers and noise."""
        hidden = _find_middle(self.hidden)
        fields: dict[str, Any] = {"hidden": hidden, **_list_common_fields(self)}
        combinations = product(self.n_layers, self.noise_stds)
        return [
            LSTMTaskSpec(n_layers=n_layers, noise_std=noise_std, **fields)
            for n_layers, noise_std in combinations
        ]


class TaskDistribution(Spec):
    """What a meta-training draws its learners from; `{"preset": NAME}` begins with one of
    `DISTRIBUTIONS`."""

    mlp: MLPFamily | None = None
    cnn: CNNFamily | None = None
    lstm: LSTMFamily | None = None
    horizon: Range[Horizon] | None = None
    """T of an episode, drawn log-uniformly among the multiples of the period, one for all its
    chunks; if not given, `unroll.horizon`. What validation runs, `validation.horizons` says."""
    random_scaling: Range[Scaling] | None = None
    """RS: r of every learner, uniform; if not given, `tricks.random_scaling`."""
    convex_scaling: Range[Scaling] | None = None
    """RS of the convex part likewise; if not given, `tricks.convex_scaling`."""
    validation: Annotated[tuple[PlainTaskSpec, ...], Field(max_length=64)] = ()
    """Tasks that Θ is chosen by: the geometric mean of their mean final losses, because losses of
    different kinds have different units. If none is given, tasks in the middle of the ranges, for
    each dataset and activation (MLP), each dataset and architecture (CNN), and each number of
    layers and noise (LSTM)."""

    @model_validator(mode="before")
    @classmethod
    def _begin_with_a_preset(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "preset" not in data:
            return data
        fields = dict(data)
        name = fields.pop("preset")
        if not isinstance(name, str) or name not in DISTRIBUTIONS:
            raise FieldProblem(
                "preset", f"preset must be one of {', '.join(DISTRIBUTIONS)}, got {name!r}"
            )
        return {**DISTRIBUTIONS[name], **fields}

    @model_validator(mode="after")
    def _something_to_draw(self) -> Self:
        if not self.families:
            raise FieldProblem("", "mlp, cnn or lstm must be given")
        return self

    @model_validator(mode="after")
    def _write_out_validation(self) -> Self:
        """So that it means the same when stored."""
        if not self.validation:
            typical = [task for family in self.families for task in family.typical()]
            object.__setattr__(self, "validation", tuple(typical))
        return self

    @property
    def families(self) -> list[MLPFamily | CNNFamily | LSTMFamily]:
        """Those that are drawn from, in a fixed order."""
        return [family for family in (self.mlp, self.cnn, self.lstm) if family]


_MANY_MLPS: Final[dict[str, Any]] = {
    "activations": ACTIVATIONS,
    "depth": [1, 5],
    "width": [10, 50],
    "batch_sizes": [32, 64, 128],
    "init_std": [0.05, 0.2],
}

DISTRIBUTIONS: Final[dict[str, dict[str, Any]]] = {
    "paper": {"mlp": {"datasets": ["mnist"]}},
    "mlps": {
        "mlp": _MANY_MLPS,
        "horizon": [100, 400],
        "random_scaling": [0, 3],
        "convex_scaling": [0, 1],
    },
    "mixed": {
        "mlp": {"share": 2, **_MANY_MLPS},
        "cnn": {
            "architectures": ["cnn-1", "cnn-2"],
            "batch_norm": [False, True],
            "batch_sizes": [32],
        },
        "lstm": {"n_layers": [1, 2], "noise_stds": [0.1, 0.01]},
        "random_scaling": [0, 3],
        "convex_scaling": [0, 1],
    },
}
"""Named distributions. `paper` is the paper's single task, the same as `task` of the preset
`paper`."""


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

"""Task distributions: randomised learners and starts, as families of ranges and choices.

One plain task is drawn for every chunk of an episode, because the learners of a chunk have one
shape; starting scale and the ranges of random scaling are drawn for every learner.
`meta_trainer.tasks` does the drawing.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

from pydantic import Field, model_validator

from meta_trainer.specs.base import ACTIVATIONS, Spec
from meta_trainer.specs.families import (
    CNNFamily,
    DescribedFamily,
    Family,
    ListedFamily,
    LSTMFamily,
    MLPFamily,
    NetworkFamily,
    Range,
)
from meta_trainer.specs.plain_tasks import PlainTaskSpec
from meta_trainer.specs.plain_words import describe_choice
from meta_trainer.specs.problems import FieldProblem

Horizon = Annotated[int, Field(ge=1, le=100_000)]
Scaling = Annotated[float, Field(ge=0, le=10)]


class TaskDistribution(Spec):
    """What a meta-training draws its learners from; `{"preset": NAME}` begins with one of
    `DISTRIBUTIONS`."""

    mlp: MLPFamily | None = Field(default=None, examples=[{"depth": [1, 3], "width": [8, 32]}])
    """Multilayer perceptrons; null: none are drawn."""
    cnn: CNNFamily | None = Field(default=None, examples=[{"architectures": ["cnn-1", "cnn-2"]}])
    """Convolutional networks of the paper; null: none are drawn."""
    lstm: LSTMFamily | None = Field(default=None, examples=[{"n_layers": [1, 2]}])
    """Recurrent networks of the paper; null: none are drawn."""
    network: NetworkFamily | None = Field(default=None, examples=[{"networks": ["gru", "mixer"]}])
    """Networks of today; null: none are drawn."""
    described: DescribedFamily | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        examples=[{"networks": [[{"kind": "conv"}, {"kind": "pool"}]]}],
    )
    """Networks that are described block by block; null: none are drawn."""
    listed: ListedFamily | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        examples=[{"tasks": [{"kind": "mlp", "hidden": [8]}]}],
    )
    """Plain tasks, each as it is; null: none are drawn."""
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
    each dataset and activation (MLP), each dataset and architecture (CNN), each number of layers
    and noise (LSTM), and each dataset and network."""

    @model_validator(mode="before")
    @classmethod
    def _begin_with_a_preset(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "preset" not in data:
            return data
        fields = dict(data)
        name = fields.pop("preset")
        if not isinstance(name, str) or name not in DISTRIBUTIONS:
            raise FieldProblem("preset", describe_choice("preset", name, DISTRIBUTIONS))
        return {**DISTRIBUTIONS[name], **fields}

    @model_validator(mode="after")
    def _something_to_draw(self) -> Self:
        if not self.families:
            raise FieldProblem("", "mlp, cnn, lstm, network, described or listed must be given")
        return self

    @model_validator(mode="after")
    def _write_out_validation(self) -> Self:
        """So that it means the same when stored."""
        if not self.validation:
            typical = [task for family in self.families for task in family.typical()]
            object.__setattr__(self, "validation", tuple(typical))
        return self

    @property
    def families(self) -> list[Family]:
        """Those that are drawn from, in a fixed order."""
        families = (
            self.mlp,
            self.cnn,
            self.lstm,
            self.network,
            self.described,
            self.listed,
        )
        return [family for family in families if family]


_IMAGES: Final = ["mnist", "fashion_mnist", "cifar10"]
_STARTS: Final = ["normal", "torch", "gpt2", "lecun"]

_TINY_FAMILIES: Final[dict[str, dict[str, Any]]] = {
    "mlp": {
        "share": 3,
        "datasets": _IMAGES,
        "activations": ACTIVATIONS,
        "depth": [1, 8],
        "width": [8, 64],
        "batch_sizes": [8, 32, 64],
        "init_std": [0.05, 0.2],
        "sides": [7, 14],
        "initializations": _STARTS,
    },
    "network": {
        "share": 4,
        "networks": [
            "cnn",
            "cnn-norm",
            "gru",
            "lstm",
            "attention",
            "language",
            "tied-language",
            "text",
            "autoencoder",
            "regression",
            "recommender",
        ],
        "datasets": _IMAGES,
        "activations": ACTIVATIONS,
        "widths": [4, 8, 12, 16, 24],
        "depths": [1, 2],
        "batch_sizes": [8, 16, 32],
        "init_std": [0.05, 0.2],
        "initializations": _STARTS,
    },
}
_FULL_SIZE: Final[list[dict[str, Any]]] = [
    {"kind": "network", "network": "mixer", "dataset": "fashion_mnist", "side": None, "width": 32},
    {"kind": "network", "network": "mixer", "dataset": "cifar10", "side": None, "width": 32},
    {"kind": "network", "network": "autoencoder", "dataset": "mnist", "side": None, "width": 48},
    {"kind": "network", "network": "text", "width": 48, "depth": 2, "initialization": "gpt2"},
    {"kind": "network", "network": "masked-text", "width": 48, "depth": 2}
    | {"initialization": "gpt2"},
    {"kind": "network", "network": "recommender", "width": 32, "variant": 50},
    {"kind": "mlp", "dataset": "fashion_mnist", "hidden": [100, 100], "activation": "tanh"}
    | {"initialization": "gpt2"},
    {"kind": "mlp", "dataset": "cifar10", "hidden": [128], "activation": "relu"}
    | {"initialization": "torch", "batch_size": 64},
    {"kind": "mlp", "dataset": "mnist", "hidden": [80] * 8, "activation": "relu"}
    | {"initialization": "torch", "batch_size": 64},
    {"kind": "lstm", "n_layers": 1, "hidden": 32, "noise_std": 0.05, "batch_size": 64},
]
"""What Θ of tiny learners is chosen by: other sizes, and partly other kinds; none of a suite's
tasks."""

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
    "tiny": {**_TINY_FAMILIES, "horizon": [40, 300], "validation": _FULL_SIZE},
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
`paper`; `tiny` has learners of 60 to 40,000 coordinates."""

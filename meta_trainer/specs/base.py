"""What all specs have in common: the base class, and types that several of them use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, Union

from hyperadam.names import NAME_PATTERN, check_name, split_ref
from hyperadam.rules import (
    DMSpec,
    HyperAdamSpec,
    HyperAdamTensorSpec,
    RNNpropSpec,
    installed_rules,
)
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from meta_trainer.specs.booleans import Numeric

Activation = Literal["sigmoid", "relu", "elu", "tanh"]
Architecture = Literal["cnn-1", "cnn-2"]
Side = Literal[7, 14]
Initialization = Literal["normal", "torch", "gpt2", "lecun"]
Score = Literal["next", "pre", "post-same"]
MetaLoss = Literal["mean", "log", "last"]
Init = Literal["adam-ensemble", "paper", "warm-ensemble", "ensemble"]
if TYPE_CHECKING:
    RuleSpec = Annotated[
        HyperAdamSpec | RNNpropSpec | DMSpec | HyperAdamTensorSpec, Field(discriminator="kind")
    ]
else:
    _INSTALLED = tuple(rule.value.spec_type for rule in installed_rules().values())
    RuleSpec = Annotated[
        Union[(HyperAdamSpec, RNNpropSpec, DMSpec, HyperAdamTensorSpec, *_INSTALLED)],
        Field(discriminator="kind"),
    ]

ACTIVATIONS: Final[tuple[Activation, ...]] = ("sigmoid", "relu", "elu", "tanh")


def _check_reference(value: str) -> str:
    split_ref(value)
    return value


def _check_different(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) < len(value):
        raise ValueError(f"they must be different, got {', '.join(value)}")
    return value


Name = Annotated[str, Field(pattern=NAME_PATTERN), AfterValidator(check_name)]
Reference = Annotated[str, AfterValidator(_check_reference)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
TensorNames = Annotated[
    tuple[str, ...], Field(min_length=1, max_length=64), AfterValidator(_check_different)
]
"""Of tensors of Θ, as the rule names them; each once."""
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Spec(Numeric, BaseModel):
    """Frozen; refuses fields it does not know, and truth values for numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

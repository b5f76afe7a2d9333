"""Domains of a study's search space: which values one field of a meta-training spec may take."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, model_validator

from meta_trainer.specs.base import Spec
from meta_trainer.specs.problems import FieldProblem

Finite = Annotated[float, Field(allow_inf_nan=False)]


class UniformSpec(Spec):
    """Real numbers from `low` to `high`, or with a step the multiples of it that count from
    `low`."""

    kind: Literal["uniform"] = "uniform"
    low: Finite
    high: Finite
    step: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_order(self.low, self.high)
        if self.step is not None and self.step > self.high - self.low:
            raise FieldProblem("step", f"step must fit between low and high, got {self.step:g}")
        return self

    @property
    def probes(self) -> Sequence[Any]:
        """Values that a spec must accept for the whole domain to make sense: its ends."""
        return self.values or (self.low, self.high)

    @property
    def values(self) -> Sequence[Any] | None:
        """All values, in order; None where they are without number."""
        if self.step is None:
            return None
        n_steps = math.floor((self.high - self.low) / self.step + 1e-9)
        return [self.low + i * self.step for i in range(n_steps + 1)]


class LogUniformSpec(Spec):
    """Positive numbers whose logarithm is uniform."""

    kind: Literal["log-uniform"] = "log-uniform"
    low: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    high: Finite

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_order(self.low, self.high)
        return self

    @property
    def probes(self) -> Sequence[Any]:
        return self.low, self.high

    @property
    def values(self) -> Sequence[Any] | None:
        return None


class IntSpec(Spec):
    """Whole numbers from `low` to `high`, in steps or on a logarithmic scale."""

    kind: Literal["int"] = "int"
    low: Annotated[int, Field(strict=True)]
    high: Annotated[int, Field(strict=True)]
    step: int = Field(default=1, ge=1)
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_order(self.low, self.high)
        if self.log and (self.step > 1 or self.low < 1):
            raise FieldProblem("log", "log needs a step of 1 and a positive low")
        return self

    @property
    def probes(self) -> Sequence[Any]:
        n_steps = (self.high - self.low) // self.step
        return self.low, self.low + n_steps * self.step

    @property
    def values(self) -> Sequence[Any] | None:
        return range(self.low, self.high + 1, self.step)


class ChoiceSpec(Spec):
    """One of several JSON values: numbers, words, or whole objects such as a rule or a task
    distribution."""

    kind: Literal["choice"] = "choice"
    options: Annotated[tuple[JsonValue, ...], Field(min_length=2, max_length=64)]
    labels: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=80)], ...], Field(max_length=64)
    ] = ()
    """What reports call the options, one for each; without them, their JSON."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if self.labels and len(self.labels) != len(self.options):
            raise FieldProblem(
                "labels",
                f"labels must be one for each of the {len(self.options)} options, "
                f"got {len(self.labels)}",
            )
        distinct = {format_value(value) for value in self.options}
        if len(distinct) < len(self.options):
            raise FieldProblem("options", "options must differ from each other")
        if len(set(self.labels)) < len(self.labels):
            raise FieldProblem("labels", "labels must differ from each other")
        return self

    @property
    def probes(self) -> Sequence[Any]:
        return self.options

    @property
    def values(self) -> Sequence[Any] | None:
        return self.options

    def label(self, value: Any) -> str:
        """What a report calls an option."""
        if not self.labels:
            return format_value(value)
        return self.labels[self.options.index(value)]


DomainSpec = Annotated[
    UniformSpec | LogUniformSpec | IntSpec | ChoiceSpec, Field(discriminator="kind")
]


def format_value(value: Any) -> str:
    """A JSON value as text: words as they are, everything else as compact JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _check_order(low: float, high: float) -> None:
    if not low < high:
        raise FieldProblem("high", f"high must be above low, got {low:g} and {high:g}")

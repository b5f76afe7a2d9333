"""Domains of a study's search space: which values one field of a meta-training spec may take."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, Self, overload

from pydantic import Field, JsonValue, model_validator

from meta_trainer.specs.conditions import ConditionalSpec
from meta_trainer.specs.problems import FieldProblem

Finite = Annotated[float, Field(allow_inf_nan=False)]


MAX_WHOLE_NUMBER: Final = 2**53
"""Whole numbers up to it are floats as well, exactly."""
MAX_STEPS: Final = 10**9
"""Values of a domain with a step."""
MAX_PROBES: Final = 64
"""Of a domain with a step, so many values are tried on submission, and the last one."""

WholeNumber = Annotated[int, Field(strict=True, ge=-MAX_WHOLE_NUMBER, le=MAX_WHOLE_NUMBER)]


class SteppedValues(Sequence[float]):
    """`low`, `low + step`, …: counted, and made one by one as they are asked for."""

    def __init__(self, low: float, step: float, n_values: int) -> None:
        self._low = low
        self._step = step
        self._indices = range(n_values)

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> float: ...

    @overload
    def __getitem__(self, index: slice) -> list[float]: ...

    def __getitem__(self, index: int | slice) -> float | list[float]:
        if isinstance(index, slice):
            return [self._low + i * self._step for i in self._indices[index]]
        return self._low + self._indices[index] * self._step


class UniformSpec(ConditionalSpec):
    """Real numbers from `low` to `high`, or with a step the multiples of it that count from
    `low`."""

    kind: Literal["uniform"] = "uniform"
    low: Finite = Field(examples=[0.0])
    """The smallest value."""
    high: Finite = Field(examples=[2.0])
    """The largest value, above `low`."""
    step: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, examples=[0.5]
    )
    """Distance of neighbours; null: all numbers between."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_order(self.low, self.high)
        width = self.high - self.low
        if not math.isfinite(width):
            raise FieldProblem("high", "high must not be further above low than a float can say")
        if self.step is None:
            return self
        if self.step > width:
            raise FieldProblem("step", f"step must fit between low and high, got {self.step:g}")
        if width / self.step > MAX_STEPS:
            raise FieldProblem(
                "step", f"step must give at most {MAX_STEPS} values, got {self.step:g}"
            )
        return self

    @property
    def probes(self) -> Sequence[Any]:
        """Values that a spec must accept for the whole domain to make sense: its ends, and of
        steps the first ones."""
        if self.values is None:
            return self.low, self.high
        return (*self.values[:MAX_PROBES], self.values[-1])

    @property
    def values(self) -> SteppedValues | None:
        """All values, in order; None where they are without number."""
        if self.step is None:
            return None
        n_steps = math.floor((self.high - self.low) / self.step + 1e-9)
        return SteppedValues(self.low, self.step, n_steps + 1)

    @property
    def n_values(self) -> int:
        """How many values there are; 0 where they are without number."""
        return 0 if self.values is None else len(self.values)


class LogUniformSpec(ConditionalSpec):
    """Positive numbers whose logarithm is uniform."""

    kind: Literal["log-uniform"] = "log-uniform"
    low: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(examples=[1e-4])
    """The smallest value."""
    high: Finite = Field(examples=[1e-2])
    """The largest value, above `low`."""

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

    @property
    def n_values(self) -> int:
        return 0


class IntSpec(ConditionalSpec):
    """Whole numbers from `low` to `high`, in steps or on a logarithmic scale."""

    kind: Literal["int"] = "int"
    low: WholeNumber = Field(examples=[1])
    """The smallest value."""
    high: WholeNumber = Field(examples=[8])
    """The largest value, above `low`."""
    step: int = Field(default=1, ge=1, le=MAX_WHOLE_NUMBER)
    """Distance of neighbours."""
    log: bool = False
    """Whether small values are as likely as large ones by their ratio."""

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

    @property
    def n_values(self) -> int:
        return (self.high - self.low) // self.step + 1


class ChoiceSpec(ConditionalSpec):
    """One of several JSON values: numbers, words, or whole objects such as a rule or a task
    distribution."""

    kind: Literal["choice"] = "choice"
    options: Annotated[tuple[JsonValue, ...], Field(min_length=2, max_length=64)] = Field(
        examples=[[10, 20]]
    )
    """The values, in the order of a grid."""
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

    @property
    def n_values(self) -> int:
        return len(self.options)

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

"""The rate of learned optimizers in specs: one object `rate`, with the fields of `hyperadam.rates`.

Specs from before it say its fields one by one: `{"lr": 0.01, "decay_after": 200}` where
`{"rate": {"lr": 0.01, "decay_after": 200}}` is meant. Both are read; a field said both ways has the
value that stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Annotated, Any, Final, get_type_hints

from hyperadam.rates import KNOBS, Rate, complete_changes
from pydantic import Field, create_model

from meta_trainer.specs.base import Spec

RATE_FIELDS: Final = ("lr", *KNOBS)


class _RateChangesBase(Spec):
    """What an evaluation changes of each Θ's own rate; null is what Θ says. A `warmup_steps` that
    is given turns `warmup_share` off, unless that is given, too."""

    def apply_to(self, rate: Rate) -> Rate:
        """The rate with these changes."""
        return replace(rate, **complete_changes(self.model_dump(exclude_none=True)))


def _change_fields() -> dict[str, Any]:
    types = get_type_hints(Rate)
    return {
        knob.name: (
            Annotated[
                types[knob.name],
                Field(
                    ge=knob.metadata["ge"],
                    le=knob.metadata["le"],
                    description=knob.metadata["description"],
                ),
            ]
            | None,
            None,
        )
        for knob in fields(Rate)
    }


RateChanges: Any = create_model(
    "RateChanges",
    __base__=_RateChangesBase,
    __doc__=_RateChangesBase.__doc__,
    **_change_fields(),
)
"""The fields of `Rate`, each null or a value that takes the place of Θ's own."""


def gather_rate(values: Any) -> Any:
    """A spec's object in today's form: fields of the rate that stand beside `rate` move into it.

    Args:
        values: what was given for the object; anything but a mapping is left as it is.
    """
    if not isinstance(values, Mapping):
        return values
    beside = {name: values[name] for name in RATE_FIELDS if name in values}
    rate = values.get("rate", {})
    if isinstance(rate, Rate):
        rate = rate.to_fields()
    if not beside or not isinstance(rate, Mapping):
        return values
    others = {name: value for name, value in values.items() if name not in beside}
    return {**others, "rate": {**rate, **beside}}


def path_of_today(path: str) -> str:
    """A dotted path in a meta-training's spec, which may say `unroll.lr` for `unroll.rate.lr`."""
    parent, _, name = path.rpartition(".")
    return f"unroll.rate.{name}" if parent == "unroll" and name in RATE_FIELDS else path


def gather_rates(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A job's spec, or a merge patch of one, whose `unroll` has today's form."""
    return {name: gather_rate(value) if name == "unroll" else value for name, value in spec.items()}


def spec_of_today(kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """A stored spec of a job of some kind, or a merge patch of one, whose rates have today's
    form."""
    if kind == "evaluation":
        return dict(gather_rate(spec))
    if kind == "study" and isinstance(spec.get("base"), Mapping):
        return {**spec, "base": gather_rates(spec["base"])}
    return gather_rates(spec)

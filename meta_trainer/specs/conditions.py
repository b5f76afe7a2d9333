"""The condition of a domain: with which values of other varied fields its own field is varied."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from meta_trainer.specs.base import Spec

FieldPath = Annotated[
    str, Field(pattern=r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*){0,5}$", max_length=100)
]
NamedValues = Annotated[tuple[JsonValue, ...], Field(min_length=1, max_length=64)]


class ConditionalSpec(Spec):
    """What all domains have in common."""

    when: Annotated[dict[FieldPath, NamedValues], Field(max_length=8)] = Field(
        default_factory=dict, examples=[{"rule.lstm": [True]}]
    )
    """Other fields of the space, of the kind choice or int, with the values at which this field is
    varied: all of them must have one of theirs. Elsewhere the base's value stands."""

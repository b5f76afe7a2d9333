"""From what pydantic tells of a spec that it refuses to the fields of a problem document.

Pydantic says where an error is as a path of keys. Where an object may be of several kinds, that
path says which one was meant: the client knows, and the key is left out. Where the object's own
rules were broken, they name the field to blame (`meta_trainer.specs.problems`), which is appended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from meta_trainer.specs.problems import blamed_field, plain_message
from meta_trainer.specs.types import (
    find_kind,
    find_type_at,
    list_field_types,
    list_members,
    list_paths,
)
from services.problems import FieldError

_SAYS_A_FIELD: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")


def field_errors(model: type[BaseModel], error: ValidationError) -> list[FieldError]:
    """Each field that is wrong, with its path below `spec`; what is wrong in several ways at once
    is told once."""
    messages: dict[str, list[str]] = {}
    for details in error.errors(include_url=False):
        keys = _find_keys(model, details)
        path = ".".join(["spec", *keys])
        messages.setdefault(path, []).append(plain_message(details, _list_names(model, details)))
    return [FieldError(path, ", or ".join(parts)) for path, parts in messages.items()]


def _find_keys(model: type[BaseModel], details: ErrorDetails) -> list[str]:
    """The keys that lead to the field to blame."""
    location = details["loc"]
    keys, place = _locate(model, location)
    if details["type"].startswith("union_tag"):
        return [*keys, "kind"]

    field = blamed_field(details)
    is_at_the_top = not location
    if field and (is_at_the_top or _has_field(place, field)):
        return [*keys, field]
    return keys


def _has_field(place: Any, field: str) -> bool:
    """Whether a blamed field is one of the object's own.

    An object that is checked as if it were another (an objective, as an evaluation), or that a
    preset was laid under, may be refused for a field that it does not have: it is named itself.
    """
    first_key, _, _ = field.partition(".")
    return first_key in list_field_types(place)


def _list_names(model: type[BaseModel], details: ErrorDetails) -> list[str]:
    """The fields of the object that has one too many, and of the objects in it."""
    _, place = _locate(model, details["loc"][:-1])
    return list_paths(place)


def _locate(model: type[Any], location: Sequence[int | str]) -> tuple[list[str], type[Any]]:
    """The keys of a location without those that tell kinds of object apart, and the type of what
    stands there."""
    keys: list[str] = []
    place: Any = model
    for key in location:
        members = {find_kind(member): member for member in list_members(place)}
        if key in members:
            place = members[key]
        elif not _is_choice(members, key):
            keys.append(str(key))
            place = find_type_at(place, key)
    return keys, place


def _is_choice(members: Mapping[str | None, Any], key: int | str) -> bool:
    """Whether a key says which one of several plain types was tried, as `constrained-int` does."""
    return len(members) > 0 and isinstance(key, str) and not _SAYS_A_FIELD.fullmatch(key)

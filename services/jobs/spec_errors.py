"""From what pydantic tells of a spec that it refuses to the fields of a problem document.

Pydantic says where an error is as a path of keys. Where an object may be of several kinds, that
path says which one was meant: the client knows, and the key is left out. Where the object's own
rules were broken, they name the field to blame (`meta_trainer.specs.problems`), which is appended.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from meta_trainer.specs.problems import blamed_field, plain_message
from services.problems import FieldError


def field_errors(model: type[BaseModel], error: ValidationError) -> list[FieldError]:
    """Each error with its path below `spec`."""
    errors = []
    for details in error.errors(include_url=False, include_input=False):
        path = ".".join(["spec", *_find_keys(model, details)])
        errors.append(FieldError(path, plain_message(details)))
    return errors


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
    return first_key in _list_field_types(place)


def _locate(model: type[Any], location: Sequence[int | str]) -> tuple[list[str], type[Any]]:
    """The keys of a location without those that tell kinds of object apart, and the type of what
    stands there."""
    keys: list[str] = []
    place = model
    for key in location:
        members = {_kind(member): member for member in get_args(place)}
        if key in members:
            place = members[key]
        else:
            keys.append(str(key))
            place = _type_at(place, str(key))
    return keys, place


def _type_at(place: Any, key: str) -> Any:
    """The type of a field, or of a mapping's values."""
    if get_origin(place) is not dict:
        return _list_field_types(place).get(key, object)
    _, value = get_args(place)
    if get_origin(value) is Annotated:
        return get_args(value)[0]
    return value


def _kind(model: Any) -> str | None:
    """What tells the type apart from the others of a union: the default of its field `kind`."""
    if not _is_model(model):
        return getattr(model, "kind", None)
    field = model.model_fields.get("kind")
    return field.default if field else None


def _list_field_types(model: Any) -> dict[str, Any]:
    if _is_model(model):
        return {name: field.annotation for name, field in model.model_fields.items()}
    if isinstance(model, type) and dataclasses.is_dataclass(model):
        return {field.name: field.type for field in dataclasses.fields(model)}
    return {}


def _is_model(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, BaseModel)

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
    return [
        FieldError(_path(model, details), plain_message(details))
        for details in error.errors(include_url=False, include_input=False)
    ]


def _path(model: type[BaseModel], details: ErrorDetails) -> str:
    keys, place = _locate(model, details["loc"])
    path = ["spec", *keys]
    if details["type"].startswith("union_tag"):
        return ".".join([*path, "kind"])

    field = blamed_field(details)
    at_the_top = not details["loc"]
    if field and (at_the_top or _has_field(place, field)):
        path.append(field)
    return ".".join(path)


def _has_field(place: Any, field: str) -> bool:
    """Whether a blamed field is one of the object's own.

    An object that is checked as if it were another (an objective, as an evaluation), or that a
    preset was laid under, may be refused for a field that it does not have: it is named itself.
    """
    return field.partition(".")[0] in _field_types(place)


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
        return _field_types(place).get(key, object)
    value = get_args(place)[1]
    return get_args(value)[0] if get_origin(value) is Annotated else value


def _kind(model: Any) -> str | None:
    """What tells the type apart from the others of a union: the default of its field `kind`."""
    if not _is_model(model):
        return getattr(model, "kind", None)
    field = model.model_fields.get("kind")
    return field.default if field else None


def _field_types(model: Any) -> dict[str, Any]:
    if _is_model(model):
        return {name: field.annotation for name, field in model.model_fields.items()}
    if isinstance(model, type) and dataclasses.is_dataclass(model):
        return {field.name: field.type for field in dataclasses.fields(model)}
    return {}


def _is_model(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, BaseModel)

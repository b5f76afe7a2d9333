"""What a spec's models say of their own structure: which fields stand where, and of which types."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel

MAX_DEPTH: Final = 4
"""Of the objects within objects whose fields are listed."""


def list_paths(place: Any) -> list[str]:
    """Dotted paths of all fields of an object and of the objects in it, outer ones first."""
    paths: list[str] = []
    level = [("", place)]
    for _ in range(MAX_DEPTH):
        inner: list[tuple[str, Any]] = []
        for prefix, model in level:
            for name, annotation in list_field_types(model).items():
                paths.append(prefix + name)
                inner += [(f"{prefix}{name}.", member) for member in _list_models(annotation)]
        level = inner
    return list(dict.fromkeys(paths))


def list_field_types(place: Any) -> dict[str, Any]:
    """The type of each field of a model or a dataclass; nothing for other types."""
    model = unwrap(place)
    if _is_model(model):
        return {name: field.annotation for name, field in model.model_fields.items()}
    if isinstance(model, type) and dataclasses.is_dataclass(model):
        return {field.name: field.type for field in dataclasses.fields(model)}
    return {}


def find_type_at(place: Any, key: int | str) -> Any:
    """The type of a field, of a mapping's values, or of a list's items."""
    place = unwrap(place)
    origin = get_origin(place)
    arguments = get_args(place)
    if origin is dict:
        return unwrap(arguments[1])
    if origin is tuple and isinstance(key, int):
        is_uniform = Ellipsis in arguments
        return unwrap(arguments[0 if is_uniform else min(key, len(arguments) - 1)])
    return unwrap(list_field_types(place).get(str(key), object))


def list_members(place: Any) -> tuple[Any, ...]:
    """The types of a union and of the unions in it, null left out; none where the type is no
    union."""
    place = unwrap(place)
    if get_origin(place) not in (Union, UnionType):
        return ()
    members: list[Any] = []
    for member in get_args(place):
        if member is not NoneType:
            members += list_members(member) or (unwrap(member),)
    return tuple(members)


def find_kind(model: Any) -> str | None:
    """What tells the type apart from the others of a union: the default of its field `kind`."""
    if not _is_model(model):
        return getattr(model, "kind", None)
    field = model.model_fields.get("kind")
    return field.default if field else None


def unwrap(annotation: Any) -> Any:
    """A type without its annotations, and without null where that leaves one type."""
    if get_origin(annotation) is Annotated:
        return unwrap(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return unwrap(members[0]) if len(members) == 1 else annotation
    return annotation


def _list_models(annotation: Any) -> Iterator[Any]:
    """The models that a field may hold, as it is or in one of its kinds."""
    place = unwrap(annotation)
    for model in list_members(place) or (place,):
        if list_field_types(model):
            yield model


def _is_model(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, BaseModel)

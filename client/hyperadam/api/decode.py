"""From JSON to frozen dataclasses: strict about what we know, silent about what we do not.

A field that the client does not know is kept in `raw` and otherwise ignored, so that an old client
works with a new server. A field that it does know has the declared type or gives `BadAnswer` with
the field's path.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from hyperadam.api.errors import BadAnswer


@dataclass(frozen=True, kw_only=True)
class Record:
    """Base of the typed results."""

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The JSON object as it was received, with the fields that this version of the client does not
    know."""


RecordT = TypeVar("RecordT", bound=Record)


def decode(kind: type[RecordT], data: Any, path: str = "answer") -> RecordT:
    """The record in a JSON object.

    Raises:
        BadAnswer: a field is missing or has another type; the message has its path.
    """
    if not isinstance(data, Mapping):
        raise BadAnswer(f"{path} should be an object, got {_describe(data)}")
    hints = _read_hints(kind)  # type: ignore[arg-type]  # a class is hashable, whatever its instances are
    values: dict[str, Any] = {"raw": data}
    for spec in fields(kind):
        name = spec.name
        if name == "raw":
            continue
        if name in data:
            values[name] = _decode_value(hints[name], data[name], f"{path}.{name}")
        elif spec.default is MISSING and spec.default_factory is MISSING:
            raise BadAnswer(f"{path}.{name} is missing")
    return kind(**values)


@cache
def _read_hints(kind: type[Record]) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _decode_value(hint: Any, data: Any, path: str) -> Any:
    origin = get_origin(hint)
    if hint is Any:
        return data
    if origin is Annotated:
        return _decode_checked(hint, data, path)
    if origin in (types.UnionType, Union):
        return None if data is None else _decode_value(_drop_none(hint), data, path)
    if origin is tuple:
        return _decode_tuple(hint, data, path)
    if origin is not None and issubclass(origin, Mapping):
        return _decode_mapping(hint, data, path)
    if isinstance(hint, type) and issubclass(hint, Record):
        return decode(hint, data, path)
    if hint is datetime:
        return _decode_time(data, path)
    if hint is float:
        return _decode_float(data, path)
    return _check_type(hint, data, path)


def _decode_checked(hint: Any, data: Any, path: str) -> Any:
    """A value of a type that has checks of its own, which raise ValueError."""
    base, *checks = get_args(hint)
    value = _decode_value(base, data, path)
    for check in checks:
        try:
            value = check(value)
        except ValueError as error:
            raise BadAnswer(f"{path}: {error}") from error
    return value


def _drop_none(hint: Any) -> Any:
    """What an optional value is when it is there."""
    (inner,) = (option for option in get_args(hint) if option is not type(None))
    return inner


def _decode_tuple(hint: Any, data: Any, path: str) -> tuple[Any, ...]:
    inner = get_args(hint)[0]
    items = enumerate(_check_type(list, data, path))
    return tuple(_decode_value(inner, item, f"{path}.{index}") for index, item in items)


def _decode_mapping(hint: Any, data: Any, path: str) -> dict[str, Any]:
    inner = get_args(hint)[1]
    items = _check_type(Mapping, data, path).items()
    return {str(key): _decode_value(inner, item, f"{path}.{key}") for key, item in items}


def _decode_float(data: Any, path: str) -> float:
    try:
        return float(_check_type((int, float), data, path))
    except OverflowError:
        raise BadAnswer(f"{path} should be a number that a float holds") from None


def _decode_time(data: Any, path: str) -> datetime:
    try:
        time = datetime.fromisoformat(_check_type(str, data, path))
    except ValueError as error:
        raise BadAnswer(f"{path} should be a time in RFC 3339, got {_describe(data)}") from error
    if time.tzinfo is None:
        raise BadAnswer(f"{path} should be a time with its zone, got {_describe(data)}")
    return time


def _check_type(kind: Any, data: Any, path: str) -> Any:
    """The data, if it is of the type or of one of the types. True and False are no numbers."""
    is_stray_bool = isinstance(data, bool) and kind is not bool
    if is_stray_bool or not isinstance(data, kind):
        options = kind if isinstance(kind, tuple) else (kind,)
        expected = " or ".join(option.__name__ for option in options)
        raise BadAnswer(f"{path} should be {expected}, got {_describe(data)}")
    return data


def _describe(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 60 else f"{text[:57]}…"

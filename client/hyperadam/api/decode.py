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
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

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
    hints = _hints(kind)  # type: ignore[arg-type]  # a class is hashable, whatever its instances are
    values: dict[str, Any] = {"raw": data}
    for spec in fields(kind):
        if spec.name == "raw":
            continue
        if spec.name in data:
            values[spec.name] = _value(hints[spec.name], data[spec.name], f"{path}.{spec.name}")
        elif spec.default is MISSING and spec.default_factory is MISSING:
            raise BadAnswer(f"{path}.{spec.name} is missing")
    return kind(**values)


@cache
def _hints(kind: type[Record]) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(hint: Any, data: Any, path: str) -> Any:
    origin = get_origin(hint)
    if hint is Any:
        return data
    if origin in (types.UnionType, Union):
        return None if data is None else _value(_not_none(hint), data, path)
    if origin is tuple:
        inner = get_args(hint)[0]
        return tuple(
            _value(inner, item, f"{path}.{index}")
            for index, item in enumerate(_of(list, data, path))
        )
    if origin is not None and issubclass(origin, Mapping):
        inner = get_args(hint)[1]
        return {
            str(key): _value(inner, item, f"{path}.{key}")
            for key, item in _of(Mapping, data, path).items()
        }
    if isinstance(hint, type) and issubclass(hint, Record):
        return decode(hint, data, path)
    if hint is datetime:
        return _time(data, path)
    if hint is float:
        return float(_of((int, float), data, path))
    return _of(hint, data, path)


def _not_none(hint: Any) -> Any:
    (inner,) = (option for option in get_args(hint) if option is not type(None))
    return inner


def _of(kind: Any, data: Any, path: str) -> Any:
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        expected = " or ".join(
            option.__name__ for option in (kind if isinstance(kind, tuple) else (kind,))
        )
        raise BadAnswer(f"{path} should be {expected}, got {_describe(data)}")
    return data


def _time(data: Any, path: str) -> datetime:
    try:
        time = datetime.fromisoformat(_of(str, data, path))
    except ValueError as error:
        raise BadAnswer(f"{path} should be a time in RFC 3339, got {_describe(data)}") from error
    if time.tzinfo is None:
        raise BadAnswer(f"{path} should be a time with its zone, got {_describe(data)}")
    return time


def _describe(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 60 else f"{text[:57]}…"

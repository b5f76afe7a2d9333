"""JSON of strangers: bounded before it is parsed, and nothing that could not be written again.

`json.loads` makes gigabytes of objects of a few megabytes of `[{},{},…]`, reads numbers that no
float holds and characters that no UTF-8 has. What passes here can be sent to anybody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

MAX_DEPTH: Final = 32
MAX_ITEMS: Final = 100_000
"""Members of all lists and objects together, at most."""

_MAX_DIGITS: Final = 309
"""Of a whole number that a float may hold."""
_TEXTS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_BRACKETS: Final = re.compile(rb"[\[\]{}]")


class StrictJSONError(ValueError):
    """The text or value is not JSON as it is accepted here; the message says why."""


def loads(
    data: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH, max_items: int = MAX_ITEMS
) -> Any:
    """The value in a JSON text.

    Raises:
        StrictJSONError: too long, too deep, of too many items, a name twice in one object, or a
            value that cannot be written as JSON in UTF-8 again.
    """
    if len(data) > max_bytes:
        raise StrictJSONError(f"it has {len(data)} bytes, at most {max_bytes} are accepted")
    _check_shape(data, max_depth, max_items)
    try:
        value = json.loads(
            data,
            parse_int=_parse_int,
            parse_constant=_refuse_constant,
            object_pairs_hook=_build_object,
        )
    except StrictJSONError:
        raise
    except (ValueError, RecursionError) as error:
        raise StrictJSONError(str(error)) from error
    check_value(value, max_depth=max_depth, max_items=max_items)
    return value


def check_value(value: Any, *, max_depth: int = MAX_DEPTH, max_items: int = MAX_ITEMS) -> None:
    """The value can be written as JSON in UTF-8, and read by others.

    Raises:
        StrictJSONError: it cannot.
    """
    for leaf in _walk(value, max_depth, max_items):
        _check_leaf(leaf)


def _check_shape(data: bytes, max_depth: int, max_items: int) -> None:
    """Depth and number of items, counted without making one."""
    bare = _TEXTS.sub(b"", data)
    n_items = bare.count(b",") + bare.count(b"[") + bare.count(b"{")
    if n_items > max_items:
        raise StrictJSONError(f"it has more than {max_items} items")

    depth = 0
    for match in _BRACKETS.finditer(bare):
        depth += 1 if match[0] in b"[{" else -1
        if depth > max_depth:
            raise StrictJSONError(f"it is nested deeper than {max_depth} levels")


def _walk(value: Any, max_depth: int, max_items: int) -> Iterator[Any]:
    """All names and all values that are neither a list nor an object."""
    n_items = 0
    level = [value]
    for _ in range(max_depth + 1):
        containers = []
        for item in level:
            if isinstance(item, (Mapping, list, tuple)):
                containers.append(item)
            else:
                yield item
        if not containers:
            return

        level = []
        for container in containers:
            n_items += len(container)
            if n_items > max_items:
                raise StrictJSONError(f"it has more than {max_items} items")
            if isinstance(container, Mapping):
                yield from map(_check_name, container)
                level += container.values()
            else:
                level += container
    raise StrictJSONError(f"it is nested deeper than {max_depth} levels")


def _check_name(name: Any) -> str:
    if not isinstance(name, str):
        raise StrictJSONError(f"names of members must be texts, got {name!r:.60}")
    return name


def _check_leaf(leaf: Any) -> None:
    if leaf is None:
        return
    if isinstance(leaf, str):
        _check_text(leaf)
    elif isinstance(leaf, (int, float)):
        _check_number(leaf)
    else:
        raise StrictJSONError(f"a {type(leaf).__name__} is no JSON value")


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise StrictJSONError(f"{text!r:.60} has half a surrogate pair, no UTF-8") from None


def _check_number(number: float) -> None:
    try:
        value = float(number)
    except OverflowError:
        raise StrictJSONError("a number is beyond the range of floats") from None
    is_finite = value - value == 0
    if not is_finite:
        raise StrictJSONError("a number is not finite, or beyond the range of floats")


def _parse_int(text: str) -> int:
    if len(text.lstrip("-")) > _MAX_DIGITS:
        raise StrictJSONError("a number is beyond the range of floats")
    return int(text)


def _refuse_constant(name: str) -> Any:
    raise StrictJSONError(f"{name} is not JSON")


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in members if names.count(name) > 1)
        raise StrictJSONError(f"the name {twice!r:.60} is there twice in one object")
    return members

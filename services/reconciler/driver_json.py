"""JSON that drivers leave: read leniently, and made so that every store and every client can hold
it."""

from __future__ import annotations

import json
import math
from typing import Any, Final

_MAX_DIGITS: Final = 309
"""Of a whole number that a float may hold."""


def read_driver_json(data: bytes) -> Any:
    """The value, with null for what is no finite float, and `?` for half a surrogate pair.

    Infinity is a number for Python and SQLite, but not for Postgres and JSON.

    Raises:
        ValueError: it is no JSON, or nested too deep.
    """
    try:
        value = json.loads(data, parse_constant=_drop, parse_float=_read_float, parse_int=_read_int)
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return json.loads(text.encode("utf-8", "replace"))


def _drop(_constant: str) -> None:
    return None


def _read_float(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _read_int(text: str) -> int | None:
    return None if len(text.lstrip("-")) > _MAX_DIGITS else int(text)

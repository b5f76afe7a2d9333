"""JSON of strangers: bounded before it is parsed, and writable again."""

from __future__ import annotations

import json
import math
import time
import tracemalloc
from typing import Any

import pytest
from hyperadam.strict_json import MAX_DEPTH, MAX_ITEMS, StrictJSONError, check_value, loads
from hypothesis import given
from hypothesis import strategies as st

MIB = 2**20
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    LEAVES | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def nest(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"note": "\\ud800"}', "surrogate"),
        ('{"\\udfff": 1}', "surrogate"),
        ('{"x": 1' + "0" * 400 + "}", "range of floats"),
        ('{"x": 1' + "0" * 5000 + "}", "range of floats"),
        ('{"x": 1e400}', "not finite"),
        ('{"x": NaN}', "NaN is not JSON"),
        ('{"x": -Infinity}', "Infinity is not JSON"),
        ('{"x": 1, "y": 2, "x": 3}', "'x' is there twice"),
        ("[" * 300 + "]" * 300, "deeper than 32"),
        ('{"a":' * 300 + "1" + "}" * 300, "deeper than 32"),
        ("[" + "{}," * (MAX_ITEMS // 2) + "{}]", "more than 100000 items"),
        ("{", "Expecting"),
        ('"' + "x" * MIB + '"', "at most 1048576 are accepted"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    with pytest.raises(StrictJSONError, match=reason):
        loads(text.encode(), max_bytes=MIB)


def test_brackets_and_commas_in_texts_are_texts() -> None:
    value = {"a": "[" * 100 + '\\"{' + "," * (MAX_ITEMS + 1)}
    assert loads(json.dumps(value).encode(), max_bytes=MIB) == value


def test_the_deepest_and_one_more() -> None:
    value = nest(MAX_DEPTH)
    check_value(value)
    assert loads(json.dumps(value).encode(), max_bytes=MIB) == value
    with pytest.raises(StrictJSONError, match="deeper"):
        check_value(nest(MAX_DEPTH + 1))


@pytest.mark.parametrize("value", [{1: 2}, {"a": {1}}, [b"x"], math.nan, 10**400, ["\ud800"]])
def test_values_that_are_not_json(value: Any) -> None:
    with pytest.raises(StrictJSONError):
        check_value(value)


@given(VALUES)
def test_what_is_accepted_can_be_written_again(value: Any) -> None:
    data = json.dumps(value).encode()
    again = loads(data, max_bytes=MIB)
    assert json.dumps(again, ensure_ascii=False, allow_nan=False).encode("utf-8")
    assert again == value


def test_a_mebibyte_of_objects_costs_neither_time_nor_memory() -> None:
    data = b"[" + b"{}," * (MIB // 3 - 2) + b"{}]"
    tracemalloc.start()
    begin = time.process_time()
    with pytest.raises(StrictJSONError, match="items"):
        loads(data, max_bytes=MIB)
    seconds = time.process_time() - begin
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 0.05
    assert peak_bytes < 4 * MIB

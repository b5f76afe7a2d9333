"""Entity tags and byte ranges, as RFC 9110 has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.optimizers.conditional import Unsatisfiable, is_current, parse_range

ETAG = '"abc"'


@pytest.mark.parametrize(
    "lines",
    [
        ['"abc"'],
        ['W/"abc"'],
        ['"x", "abc"'],
        ['"x",W/"abc" , "y"'],
        ["*"],
        [" * "],
        ['"x"', '"abc"'],
        ['"x,y", "abc"'],
    ],
)
def test_the_client_has_it(lines: list[str]) -> None:
    assert is_current(lines, ETAG)


@pytest.mark.parametrize(
    "lines", [[], [""], ['"x"'], ["abc"], ['"ab"c"'], ['"ABC"'], ['"abc'], ['"x", *'], ['"abcd"']]
)
def test_the_client_has_it_not(lines: list[str]) -> None:
    assert not is_current(lines, ETAG)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=0-", range(10)),
        ("bytes=3-5", range(3, 6)),
        ("bytes=3-999", range(3, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-999", range(10)),
        ("BYTES = 1-2", range(1, 3)),
    ],
)
def test_ranges(header: str, expected: range) -> None:
    assert parse_range(header, None, ETAG, 10) == expected


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-3",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "lines=0-1",
        "bytes=+1-2",
        "bytes=" + "9" * 99 + "-",
    ],
)
def test_what_may_be_ignored_is_answered_whole(header: str | None) -> None:
    assert parse_range(header, None, ETAG, 10) is None


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=999-", "bytes=-0"])
def test_ranges_outside(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, None, ETAG, 10)


def test_nothing_of_nothing() -> None:
    for header in ("bytes=0-", "bytes=-1"):
        with pytest.raises(Unsatisfiable):
            parse_range(header, None, ETAG, 0)


def test_a_range_of_other_content_is_answered_whole() -> None:
    assert parse_range("bytes=0-1", ETAG, ETAG, 10) == range(2)
    for other in ('"x"', 'W/"abc"', "Mon, 23 Nov 2026 10:00:00 GMT", ""):
        assert parse_range("bytes=0-1", other, ETAG, 10) is None
        assert parse_range("bytes=99-", other, ETAG, 10) is None


@given(st.text(alphabet="bytes=0123456789-, ", max_size=30), st.integers(0, 50))
def test_a_range_is_never_outside(header: str, n_bytes: int) -> None:
    try:
        part = parse_range(header, None, ETAG, n_bytes)
    except Unsatisfiable:
        return
    assert part is None or 0 <= part.start < part.stop <= n_bytes

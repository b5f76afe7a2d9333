"""Conditional and partial requests (RFC 9110, 13 and 14) for content with a strong entity tag.

Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_TAG: Final = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_RANGE: Final = re.compile(r"bytes[ \t]*=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)


class Unsatisfiable(Exception):
    """The range lies outside of the content."""


def is_current(if_none_match: Sequence[str], etag: str) -> bool:
    """Whether the client has this very content.

    It has if one of its tags is `etag` (weakly compared), or if it says `*`.

    Args:
        if_none_match: the values of the header's lines; each may be a list.
        etag: with its quotation marks, strong.
    """
    return any(line.strip() == "*" or etag in _TAG.findall(line) for line in if_none_match)


def parse_range(header: str | None, if_range: str | None, etag: str, n_bytes: int) -> range | None:
    """The byte positions that are asked for; None for the whole content.

    The whole is also the answer to what RFC 9110 lets a server ignore: other units, several ranges,
    malformed ones, and an `If-Range` that does not name this content (strongly compared; a date
    never does).

    Raises:
        Unsatisfiable: a valid range without any byte in it.
    """
    is_of_this_content = if_range is None or if_range.strip() == etag
    if header is None or not is_of_this_content:
        return None
    match = _RANGE.fullmatch(header.strip())
    if match is None:
        return None

    first, last = match.groups()
    if not first:
        return _select_suffix(last, n_bytes)
    if last and int(last) < int(first):
        return None
    if int(first) >= n_bytes:
        raise Unsatisfiable
    stop = int(last) + 1 if last else n_bytes
    return range(int(first), min(stop, n_bytes))


def _select_suffix(length: str, n_bytes: int) -> range | None:
    """The last so many bytes."""
    if not length:
        return None
    if int(length) == 0 or n_bytes == 0:
        raise Unsatisfiable
    return range(max(0, n_bytes - int(length)), n_bytes)

"""Types of fields that the client acts on: what a server says is checked before it is a file's name
or a number in a URL."""

from __future__ import annotations

import re
from typing import Annotated, Final

from hyperadam.names import check_digest, check_name

_SEGMENT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,119}")
_MAX_SEGMENTS: Final = 8
MAX_NUMBER: Final = 2**31 - 1
MAX_SIZE_BYTES: Final = 2**63 - 1


def _check_number(value: int) -> int:
    if not 1 <= value <= MAX_NUMBER:
        raise ValueError(f"should be a version's number, got {value!r:.60}")
    return value


def _check_size(value: int) -> int:
    if not 0 <= value <= MAX_SIZE_BYTES:
        raise ValueError(f"should be a number of bytes, got {value!r:.60}")
    return value


def _check_relative_path(value: str) -> str:
    segments = value.split("/")
    if len(segments) > _MAX_SEGMENTS or not all(map(_SEGMENT.fullmatch, segments)):
        raise ValueError(f"should be a relative path of strict segments, got {value!r:.80}")
    return value


Name = Annotated[str, check_name]
Digest = Annotated[str, check_digest]
"""A sha256 in 64 small hexadecimal digits."""
Number = Annotated[int, _check_number]
"""Of a version."""
Size = Annotated[int, _check_size]
"""In bytes."""
RelativePath = Annotated[str, _check_relative_path]
"""Of a job's file, as the registry takes them: no '..', no dot in front, nothing absolute."""

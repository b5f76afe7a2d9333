"""Pages of lists that only grow at their end: a cursor is the number of items before the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from fastapi import Query

T = TypeVar("T")

PageCursor = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,9}$", description="`next_cursor` of the page before")
]
PageLimit = Annotated[int, Query(ge=1, le=1000)]


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """Some items of a list, and where the next page begins; None: this is the last."""

    items: Sequence[T]
    next_cursor: str | None


def cut_page(items: Sequence[T], cursor: str | None, limit: int) -> Page[T]:
    """The page that begins at the cursor."""
    start = int(cursor or 0)
    end = start + limit
    next_cursor = str(end) if end < len(items) else None
    return Page(items=items[start:end], next_cursor=next_cursor)

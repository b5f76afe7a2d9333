"""A table as text, before anything knows how it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """The content of one cell of a table."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """Rows below a header."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Text]]
    name: str = ""
    """Of its file."""

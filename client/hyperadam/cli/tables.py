"""Tables that fit the terminal: ids never break, and what matters least is left out first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

MIN_TEXT_WIDTH: Final = 8
"""Characters of a line of a text that is folded."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table."""

    name: str
    rank: int = 0
    """Where there is no room, columns are left out from the highest rank down; 0 stays."""
    is_whole: bool = False
    """Whether its cells are never broken: ids, references, moments."""
    justify: Literal["left", "right"] = "left"


class FittedTable:
    """A table whose columns are chosen when it is shown, by the width that there is."""

    def __init__(self, *columns: Column | str, title: str | None = None) -> None:
        self.columns = [_as_column(column) for column in columns]
        self.title = title
        self._rows: list[tuple[Sequence[Any], str]] = []

    @property
    def row_count(self) -> int:
        return len(self._rows)

    def add_column(self, name: str, *, justify: Literal["left", "right"] = "left") -> None:
        self.columns.append(Column(name=name, justify=justify))

    def add_row(self, *cells: Any, style: str = "") -> None:
        self._rows.append((cells, style))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        table, _ = self._fit(console, options)
        return Measurement.get(console, options, table)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table, left_out = self._fit(console, options)
        yield table
        if left_out:
            yield Text(f"no room for: {', '.join(left_out)}", style="dim")

    def _fit(self, console: Console, options: ConsoleOptions) -> tuple[Table, list[str]]:
        """The table with the columns that there is room for, and the names of the others."""
        shown = list(range(len(self.columns)))
        table = self._make(shown)
        while Measurement.get(console, options.update(max_width=10_000), table).minimum > (
            options.max_width
        ):
            highest = max(self.columns[index].rank for index in shown)
            if highest == 0:
                break
            last = max(index for index in shown if self.columns[index].rank == highest)
            shown.remove(last)
            table = self._make(shown)
        left_out = [column.name for index, column in enumerate(self.columns) if index not in shown]
        return table, left_out

    def _make(self, shown: Sequence[int]) -> Table:
        table = Table(title=self.title, box=SIMPLE_HEAD, pad_edge=False, title_justify="left")
        for index in shown:
            column = self.columns[index]
            table.add_column(
                column.name,
                overflow="fold",
                justify=column.justify,
                no_wrap=column.is_whole,
                min_width=self._find_min_width(index),
            )
        for cells, style in self._rows:
            table.add_row(*[cells[index] for index in shown if index < len(cells)], style=style)
        return table

    def _find_min_width(self, index: int) -> int:
        """Of a text that may be folded: as wide as its longest cell, up to a bound."""
        if self.columns[index].is_whole:
            return 1
        widths = [_measure(cells[index]) for cells, _ in self._rows if index < len(cells)]
        return min(MIN_TEXT_WIDTH, max([1, *widths]))


def _as_column(column: Column | str) -> Column:
    return column if isinstance(column, Column) else Column(name=column)


def _measure(cell: Any) -> int:
    return len(cell.plain) if isinstance(cell, Text) else len(str(cell))


def whole(name: str, rank: int = 0) -> Column:
    """A column whose cells are never broken."""
    return Column(name=name, rank=rank, is_whole=True)


def optional(name: str, rank: int) -> Column:
    """A column of text that may be left out."""
    return Column(name=name, rank=rank)

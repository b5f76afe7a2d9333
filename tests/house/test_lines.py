"""How much stands in a line, a function and a file.

The levels are those that the code holds: they keep it from growing dense again, where nobody would
notice a single step.
"""

from __future__ import annotations

import ast
import io
import statistics
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.project import (
    ROOMS,
    TOP,
    list_all_sources,
    list_sources,
    list_tracked_files,
    name_file,
    parse_source,
    read_text,
)

LARGEST_FILE_LINES = 400
MEDIAN_FILE_LINES = 110
LONG_FUNCTION_LINES = 50
LARGEST_SHARE_OF_LONG_FUNCTIONS = 0.01
MEDIAN_TOKENS_A_LINE = 8.3
FEWEST_LINES_THAT_COUNT = 5

NO_TOKENS = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def count_lines(path: Path) -> int:
    return len(read_text(path).splitlines())


def test_files_are_one_idea_long() -> None:
    """A file that outgrows this is usually two ideas, of which the second cannot be found by its
    name."""
    python = [TOP / path for path in list_tracked_files() if path.suffix == ".py"]
    lines = {name_file(path): count_lines(path) for path in python}
    assert {name: n for name, n in lines.items() if n > LARGEST_FILE_LINES} == {}


def test_most_files_are_short() -> None:
    """A page or two is what one reads before changing a line of it."""
    assert statistics.median(map(count_lines, list_all_sources())) <= MEDIAN_FILE_LINES


def test_few_functions_are_long() -> None:
    """What does not fit on a screen is held in the head instead."""
    functions = [
        node
        for path in list_all_sources()
        for node in ast.walk(parse_source(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = [node.name for node in functions if _length(node) > LONG_FUNCTION_LINES]
    assert len(long) <= LARGEST_SHARE_OF_LONG_FUNCTIONS * len(functions), long


def _length(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("room", ROOMS)
def test_lines_breathe(room: str) -> None:
    """One thought a line is read once. The codebases that are a pleasure to read have 5.4 to 7.9
    names, signs and brackets a line, and those that were made to save lines have ten."""
    densities = [
        density for path in list_sources(room) if (density := measure_density(path)) is not None
    ]
    assert statistics.median(densities) <= MEDIAN_TOKENS_A_LINE


def measure_density(path: Path) -> float | None:
    """Tokens a line of code, without comments and docstrings; None of files that hardly have
    any."""
    words = _find_docstring_lines(path)
    lines = [line for line in _list_lines_of_tokens(path) if line not in words]
    n_lines = len(set(lines))
    return len(lines) / n_lines if n_lines >= FEWEST_LINES_THAT_COUNT else None


def _list_lines_of_tokens(path: Path) -> list[int]:
    """The number of the line of every token."""
    tokens = tokenize.generate_tokens(io.StringIO(read_text(path)).readline)
    return [token.start[0] for token in tokens if token.type not in NO_TOKENS]


def _find_docstring_lines(path: Path) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(parse_source(path)):
        if isinstance(node, ast.Expr) and _is_text(node.value):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_an_assignment_is_of_one_thing() -> None:
    """`a, b = x, y` saves a line, and makes its reader find out which of the two belongs to
    which. To unpack what one call gives is something else."""
    doubled = [
        f"{name_file(path)}:{line}"
        for path in list_all_sources()
        for line in _find_tuple_assignments(path)
    ]
    assert doubled == []


def _find_tuple_assignments(path: Path) -> Iterator[int]:
    for node in ast.walk(parse_source(path)):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
            continue
        if any(isinstance(target, ast.Tuple) for target in node.targets):
            yield node.lineno

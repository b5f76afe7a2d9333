"""Every Prometheus metric of the service, from the calls that make them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from services import observability


def render_metrics() -> str:
    """A row for each metric: its name, and what it says."""
    rows = ["| metric | what |", "|---|---|"]
    rows += [f"| `{name}` | {text} |" for name, text in sorted(read_metrics().items())]
    return "\n".join(rows)


def read_metrics() -> dict[str, str]:
    """Name → sentence."""
    folder = Path(observability.__file__).parent
    return {
        name: text
        for path in sorted(folder.glob("*.py"))
        for name, text in _read_names(ast.parse(path.read_text("utf-8")))
    }


def _read_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Names of metrics, each with the text that comes after it."""
    for node in ast.walk(tree):
        values = _list_values(node)
        texts = [value.value for value in values if isinstance(value, ast.Constant)]
        match texts:
            case [str(name), str(text), *_] if name.startswith("hyperadam_"):
                yield name, text


def _list_values(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Call):
        return node.args
    return node.elts if isinstance(node, ast.Tuple) else []

r"""Tables as LaTeX, for `\input` into a paper that uses booktabs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from meta_trainer.evaluation.reporting.table import Table, Text

_SYMBOLS: Final = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "–": "--",
    "α": r"$\alpha$",
    "Θ": r"$\Theta$",
    "√": r"$\surd$",
    "“": "``",
    "”": "''",
}


def render_latex(table: Table) -> str:
    """A tabular, its caption as a comment above."""
    columns = "l" + "r" * (len(table.header) - 1)
    lines = [
        f"% {table.caption}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _render_line([escape_latex(name) for name in table.header]),
        r"\midrule",
        *(_render_line([_render_cell(cell) for cell in row]) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def escape_latex(text: str) -> str:
    return "".join(_SYMBOLS.get(character, character) for character in text)


def _render_cell(cell: Text) -> str:
    text = escape_latex(cell.text)
    return rf"\textbf{{{text}}}" if cell.bold else text


def _render_line(texts: Sequence[str]) -> str:
    return f"{' & '.join(texts)} \\\\"

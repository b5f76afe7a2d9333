"""Tables for a paper: every character that means something to LaTeX is escaped."""

from __future__ import annotations

import pytest

from meta_trainer.evaluation.reporting.latex import escape_latex, render_latex
from meta_trainer.evaluation.reporting.table import Table, Text


def test_a_table_is_a_tabular_of_booktabs() -> None:
    table = Table("Final losses", ["task", "a@1"], [[Text("mlp_1"), Text("0.2 ± 0.1", bold=True)]])
    assert render_latex(table).splitlines() == [
        "% Final losses",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"task & a@1 \\",
        r"\midrule",
        r"mlp\_1 & \textbf{0.2 $\pm$ 0.1} \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("-20.0%", r"-20.0\%"),
        ("a & b", r"a \& b"),
        ("a_1 {b} #2 $3", r"a\_1 \{b\} \#2 \$3"),
        ("\\x ~ ^", r"\textbackslash{}x \textasciitilde{} \textasciicircum{}"),
        ("Θ, α × 2 – √", r"$\Theta$, $\alpha$ $\times$ 2 -- $\surd$"),
        ("“paper”", "``paper''"),
    ],
)
def test_what_means_something_is_escaped(text: str, escaped: str) -> None:
    assert escape_latex(text) == escaped

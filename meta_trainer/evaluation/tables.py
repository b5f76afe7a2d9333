"""A report as Markdown and as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from string import Template
from typing import Final

from meta_trainer.evaluation.report import Report, Row, relative
from meta_trainer.evaluation.statistics import Estimate


@dataclass(frozen=True)
class _Text:
    """The content of one cell of a table."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class _Table:
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[_Text]]


def markdown(report: Report) -> str:
    """The report for terminals, issues and READMEs; the picture is expected beside it as `curves.png`."""
    parts = [f"# {report.suite.title}", *_introduction(report)]
    final_losses, comparison = (f"## {table.caption}\n\n{_markdown_table(table)}" for table in _tables(report))
    return "\n\n".join([*parts, final_losses, "![Loss curves](curves.png)", comparison]) + "\n"


def html(report: Report, picture: bytes) -> str:
    """The same as a page, with the picture (PNG) inside."""
    body = [f"<h1>{escape(report.suite.title)}</h1>", *(f"<p>{escape(text)}</p>" for text in _introduction(report))]
    final_losses, comparison = (f"<h2>{escape(table.caption)}</h2>\n{_html_table(table)}" for table in _tables(report))
    source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    image = f'<img alt="Loss curves of every optimizer on every task" src="{source}">'
    return _PAGE.substitute(title=escape(report.suite.title), body="\n".join([*body, final_losses, image, comparison]))


def _introduction(report: Report) -> list[str]:
    spec = report.spec
    what = (
        f"Final loss after {spec.horizon} steps on {spec.dataset}: mean ± standard error over {spec.n_starts} random "
        "starts, the same starts and minibatches for every optimizer. The final loss of a run is the mean loss at its "
        "last weights over all minibatches that it saw. Lowest in bold."
    )
    how = (
        f"The rate of each baseline was tuned for each task on {spec.n_tuning_starts} other starts; learned optimizers "
        f"run at their own rate everywhere. Seed {spec.seed}; dataset sha256 {report.dataset_fingerprint[:16]}."
    )
    return [what, how]


def _tables(report: Report) -> tuple[_Table, _Table]:
    return _final_losses(report), _comparison(report)


def _final_losses(report: Report) -> _Table:
    """Like the paper's: a row for each task, a column for each optimizer, the paper's own columns last."""
    paper, optimizers = report.suite.paper, report.optimizers
    authors = list(dict.fromkeys(name for losses in paper.values() for name in losses))
    rows = []
    for task in (task.name for task in report.suite.tasks):
        of = {row.optimizer: row for row in report.of_task(task)}
        cells = [_Text(_final(of[name]), of[name] is report.best(task)) for name in optimizers]
        published = [paper.get(task, {}).get(name) for name in authors]
        rows.append([_Text(task), *cells, *(_Text("–" if loss is None else f"{loss:.2f}") for loss in published)])
    source = f" (columns “paper”: {report.suite.paper_source})" if authors else ""
    return _Table(f"Final losses{source}", ["task", *optimizers, *(f"paper: {name}" for name in authors)], rows)


def _comparison(report: Report) -> _Table:
    header = ["task", "optimizer", "rate", "final loss", "diverged", "against the best tuned baseline", "relative"]
    return _Table("Paired differences", header, [_comparison_row(report, row) for row in report.rows])


def _comparison_row(report: Report, row: Row) -> list[_Text]:
    difference, best = report.difference(row), row is report.best(row.task)
    fraction = relative(row, difference)
    against = f"{_signed(difference[1])} to {difference[0].optimizer}" if difference else "–"
    rate = f"{row.rate:.3g}{' (edge)' if row.tuned and row.tuned.on_edge else ''}"
    return [
        _Text(row.task),
        _Text(row.optimizer, best),
        _Text(rate),
        _Text(_plus_minus(row.final), best),
        _Text(f"{row.n_diverged} of {len(row.finals)}" if row.n_diverged else "0"),
        _Text(against),
        _Text("–" if fraction is None else f"{fraction:+.1%}" if fraction < 10 else f"× {fraction + 1:.3g}"),
    ]


def _final(row: Row) -> str:
    return _plus_minus(row.final) + (f" ({row.n_diverged} diverged)" if row.n_diverged else "")


def _plus_minus(estimate: Estimate) -> str:
    if math.isnan(estimate.mean):
        return "diverged"
    return _number(estimate.mean) + ("" if math.isnan(estimate.stderr) else f" ± {_number(estimate.stderr)}")


def _signed(estimate: Estimate) -> str:
    return ("+" if estimate.mean > 0 else "") + _plus_minus(estimate)


def _number(value: float) -> str:
    return f"{value:.4f}" if 5e-4 <= abs(value) < 1e4 or not value else f"{value:.2e}"


def _markdown_table(table: _Table) -> str:
    lines = [table.header, ["---"] * len(table.header)]
    lines += [[f"**{cell.text}**" if cell.bold else cell.text for cell in row] for row in table.rows]
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)


def _html_table(table: _Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.header)
    rows = []
    for row in table.rows:
        cells = (f"<b>{escape(cell.text)}</b>" if cell.bold else escape(cell.text) for cell in row)
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    body = "\n".join(rows)
    return f'<div class="table"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


_PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #888; }
img { max-width: 100%; margin-top: 2rem; }
</style>
</head>
<body>
$body
</body>
</html>
""")

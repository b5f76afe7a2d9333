"""The files of a report."""

from __future__ import annotations

import json

from meta_trainer.evaluation.report import Report
from meta_trainer.evaluation.reporting.drawn_report import DrawnReport
from meta_trainer.evaluation.reporting.latex import render_latex
from meta_trainer.evaluation.reporting.pages import (
    render_html,
    render_markdown,
    render_markdown_of,
)
from meta_trainer.evaluation.reporting.result_json import report_to_json
from meta_trainer.evaluation.reporting.results import Results
from meta_trainer.evaluation.reporting.tables import build_tables

RESULTS = "results.json"


def build_report_files(drawn: DrawnReport) -> dict[str, bytes]:
    """Name → content: `result.json`, which is the whole, and all that is shown of it."""
    result = json.dumps(report_to_json(drawn.report), allow_nan=False)
    return {"result.json": result.encode(), **build_shown_files(drawn)}


def build_shown_files(drawn: DrawnReport) -> dict[str, bytes]:
    """Name → content: `results.json`, and what is made from it: `report.md`, `report.html`
    (self-contained), pictures, and tables as LaTeX."""
    files = {
        RESULTS: drawn.results,
        "report.md": render_markdown(drawn).encode(),
        "report.html": render_html(drawn).encode(),
    }
    for picture in drawn.pictures:
        files[picture.name] = picture.png
        files.update(picture.vector_files)
    return files | _render_tables(drawn.shown)


def build_texts(results: Results) -> dict[str, bytes]:
    """Name → content: `report.md` and the tables as LaTeX, without a picture drawn."""
    page = render_markdown_of(results.report, results.origin)
    return {"report.md": page.encode(), **_render_tables(results.report)}


def _render_tables(report: Report) -> dict[str, bytes]:
    return {f"{table.name}.tex": render_latex(table).encode() for table in build_tables(report)}

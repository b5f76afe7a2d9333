"""The files of a report."""

from __future__ import annotations

import json

from meta_trainer.evaluation.reporting.pages import render_html, render_markdown
from meta_trainer.evaluation.reporting.pictures import DrawnReport
from meta_trainer.evaluation.reporting.result_json import report_to_json


def build_report_files(drawn: DrawnReport) -> dict[str, bytes]:
    """Name → content: `result.json`, `report.md`, `report.html` (self-contained) and the pictures
    beside them."""
    result = report_to_json(drawn.report)
    return {
        "result.json": json.dumps(result, allow_nan=False).encode(),
        "report.md": render_markdown(drawn).encode(),
        "report.html": render_html(drawn).encode(),
        **{picture.name: picture.png for picture in drawn.pictures},
    }

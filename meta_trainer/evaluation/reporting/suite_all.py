"""The suite `all`: one evaluation after the other, each with its own report, and one page over
them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from meta_trainer.datasets import DatasetMissing
from meta_trainer.evaluation.ablation import NotAnAblation
from meta_trainer.evaluation.reporting.drawn_report import DrawnReport
from meta_trainer.evaluation.reporting.pages import (
    render_html_of_sections,
    render_markdown_of_sections,
)
from meta_trainer.evaluation.reporting.result_json import report_to_json
from meta_trainer.recorder import Recorder
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import ALL


def evaluate_sections(
    spec: EvaluationSpec,
    run_section: Callable[[EvaluationSpec, Recorder], DrawnReport],
    recorder: Recorder,
) -> dict[str, bytes]:
    """Run every section of `spec` and return the files over them: `result.json`, `report.md` and
    `report.html`.

    A section whose data is missing, or an ablation that the versions are none of, is left out and
    told with its reason.

    Args:
        run_section: carries out one section, tells the recorder what happens, and keeps its files
            in a folder of its name.
    """
    sections: dict[str, DrawnReport] = {}
    left_out: dict[str, str] = {}
    for i, section in enumerate(spec.sections):
        section_recorder = _SectionRecorder(recorder, section.suite, i, len(spec.sections))
        try:
            sections[section.suite] = run_section(section, section_recorder)
        except (DatasetMissing, NotAnAblation) as error:
            left_out[section.suite] = str(error)
            recorder.event("section.left-out", {"suite": section.suite, "reason": str(error)})
    return _build_overview_files(spec, sections, left_out)


def _build_overview_files(
    spec: EvaluationSpec, sections: Mapping[str, DrawnReport], left_out: Mapping[str, str]
) -> dict[str, bytes]:
    """The files over sections that have been run."""
    result = _overview_to_json(spec, sections, left_out)
    return {
        "result.json": json.dumps(result, allow_nan=False).encode(),
        "report.md": render_markdown_of_sections(sections, left_out).encode(),
        "report.html": render_html_of_sections(sections, left_out).encode(),
    }


def _overview_to_json(
    spec: EvaluationSpec, sections: Mapping[str, DrawnReport], left_out: Mapping[str, str]
) -> dict[str, Any]:
    """Rows of all sections, whose tasks go by `suite/task`; the rest of each stands in its own
    `result.json`."""
    reports = {name: drawn.report for name, drawn in sections.items()}
    rows = []
    for name, report in reports.items():
        result = report_to_json(report)
        measure = result["measure"]
        for row in result["rows"]:
            task = f"{name}/{row['task']}"
            rows.append({**row, "task": task, "suite": name, "measure": measure})

    datasets = dict.fromkeys(report.dataset for report in reports.values())
    return {
        "suite": spec.suite,
        "title": ALL.title,
        "quick": spec.quick,
        "dataset": ", ".join(datasets),
        "seed": spec.seed,
        "rows": rows,
        "sections": list(reports),
        "left_out": dict(left_out),
    }


class _SectionRecorder(Recorder):
    """Tells the whole's progress: that of its section, after those before it."""

    def __init__(self, whole: Recorder, name: str, position: int, n_sections: int) -> None:
        self._whole = whole
        self._name = name
        self._position = position
        self._n_sections = n_sections

    def metrics(self, step: int, values: Mapping[str, float]) -> None:  # noqa: ARG002
        if "progress" in values:
            progress = (self._position + values["progress"]) / self._n_sections
            self._whole.metrics(round(1000 * progress), {"progress": progress})

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        if "label" in data:
            data = {**data, "label": f"{self._name}: {data['label']}"}
        self._whole.event(kind, data)

    def checkpoint(self, update: int, data: bytes) -> None:
        self._whole.checkpoint(update, data)

    def artifact(self, path: str, data: bytes) -> None:
        self._whole.artifact(path, data)

    def flush(self) -> None:
        self._whole.flush()

"""The suite `all`: one evaluation after the other, each with its own report, and one page over
them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from meta_trainer.datasets import DatasetMissing
from meta_trainer.evaluation.ablation import NotAnAblation
from meta_trainer.evaluation.report import Report
from meta_trainer.recorder import Recorder
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import ALL


def evaluate_sections(
    spec: EvaluationSpec, run: Callable[[EvaluationSpec, Recorder], Report], recorder: Recorder
) -> dict[str, bytes]:
    """Run every section of `spec` and return the files over them: `result.json`, `report.md` and
    `report.html`.

    A section whose data is missing, or an ablation that the versions are none of, is left out and
    told with its reason.

    Args:
        run: carries out one section, tells the recorder what happens, and keeps its files in a
            folder of its name.
    """
    reports: dict[str, Report] = {}
    left_out: dict[str, str] = {}
    for i, section in enumerate(spec.sections):
        try:
            reports[section.suite] = run(
                section, _SectionRecorder(recorder, section.suite, i, len(spec.sections))
            )
        except (DatasetMissing, NotAnAblation) as error:
            left_out[section.suite] = str(error)
            recorder.event("section.left-out", {"suite": section.suite, "reason": str(error)})
    return overview(spec, reports, left_out)


def overview(
    spec: EvaluationSpec, reports: Mapping[str, Report], left_out: Mapping[str, str]
) -> dict[str, bytes]:
    """The files over sections that have been run."""
    from meta_trainer.evaluation.reporting.pages import html_of_sections, markdown_of_sections

    return {
        "result.json": json.dumps(_json(spec, reports, left_out), allow_nan=False).encode(),
        "report.md": markdown_of_sections(reports, left_out).encode(),
        "report.html": html_of_sections(reports, left_out).encode(),
    }


def _json(
    spec: EvaluationSpec, reports: Mapping[str, Report], left_out: Mapping[str, str]
) -> dict[str, Any]:
    """Rows of all sections, whose tasks go by `suite/task`; the rest of each stands in its own
    `result.json`."""
    sections = {name: report.to_json() for name, report in reports.items()}
    rows = [
        {**row, "task": f"{name}/{row['task']}", "suite": name, "measure": section["measure"]}
        for name, section in sections.items()
        for row in section["rows"]
    ]
    return {
        "suite": spec.suite,
        "title": ALL.title,
        "quick": spec.quick,
        "dataset": ", ".join(dict.fromkeys(report.dataset for report in reports.values())),
        "seed": spec.seed,
        "rows": rows,
        "sections": list(reports),
        "left_out": dict(left_out),
    }


class _SectionRecorder(Recorder):
    """Tells the whole's progress: that of its section, after those before it."""

    def __init__(self, whole: Recorder, name: str, position: int, n_sections: int) -> None:
        self._whole, self._name, self._position, self._n_sections = (
            whole,
            name,
            position,
            n_sections,
        )

    def metrics(self, step: int, values: Mapping[str, float]) -> None:  # noqa: ARG002
        if "progress" in values:
            progress = (self._position + values["progress"]) / self._n_sections
            self._whole.metrics(round(1000 * progress), {"progress": progress})

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        self._whole.event(
            kind, {**data, "label": f"{self._name}: {data['label']}"} if "label" in data else data
        )

    def checkpoint(self, update: int, data: bytes) -> None:
        self._whole.checkpoint(update, data)

    def artifact(self, path: str, data: bytes) -> None:
        self._whole.artifact(path, data)

    def flush(self) -> None:
        self._whole.flush()

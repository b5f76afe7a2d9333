"""The suite `all`: which sections it has, what is left out and why, one page and one progress over
all."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from hyperadam.rates import Rate

from meta_trainer.datasets import DatasetMissing
from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.reporting import DrawnReport, draw_report, evaluate_sections
from meta_trainer.recorder import Recorder
from meta_trainer.specs import EvaluationSpec
from meta_trainer.specs.suites import ALL, SUITES

ABLATIONS = {"ablation-state", "ablation-tricks", "ablation-j"}
OTHERS = {suite.name for suite in SUITES.values()} - ABLATIONS - {"all"}


def spec_of(*references: str, **fields: Any) -> EvaluationSpec:
    return EvaluationSpec.model_validate(
        {"optimizers": references, "suite": "all", "seed": 3, **fields}
    )


def test_every_suite_once_at_its_own_size() -> None:
    sections = {section.suite: section for section in spec_of("a@1", "a@2").sections}
    assert set(sections) == ABLATIONS | OTHERS
    assert sections["longer"].horizon == 10_000
    assert {(section.seed, section.optimizers) for section in sections.values()} == {
        (3, ("a@1", "a@2"))
    }
    assert {section.quick for section in spec_of("a@1", quick=True).sections} == {True}


def test_one_version_has_no_ablations() -> None:
    assert {section.suite for section in spec_of("a@1").sections} == OTHERS


@pytest.mark.parametrize(
    ("field", "value"), [("horizon", 7), ("n_starts", 3), ("baselines", ["sgd"])]
)
def test_sizes_cannot_be_given(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{field} must not be given with the suite all"):
        spec_of("a@1", **{field: value})


def made_up(section: EvaluationSpec, recorder: Recorder) -> DrawnReport:
    """One row, where MNIST is missing and the versions do not differ in J."""
    if section.dataset == "mnist":
        raise DatasetMissing("dataset 'mnist' is missing")
    recorder.metrics(0, {"progress": 0.0})
    recorder.event("cell", {"done": 1, "total": 1, "label": "one: adam"})
    recorder.metrics(1, {"progress": 1.0})
    values = torch.tensor([1.0, torch.nan], dtype=torch.float64)
    row = Row(
        task="one",
        optimizer="a@1",
        kind="learned",
        rate=Rate(lr=0.1),
        finals=values,
        curves=values[None],
    )
    return draw_report(Report(section, SUITES["table2"], "sines", "ab" * 32, [row]))


@pytest.mark.slow
def test_what_cannot_be_run_is_told_and_the_rest_is_one_page(recorder: Any) -> None:
    files = evaluate_sections(spec_of("a@1"), made_up, recorder)
    result = json.loads(files["result.json"], parse_constant=pytest.fail)
    assert result["left_out"] == dict.fromkeys(
        ("table3", "cnn-100", "longer"), "dataset 'mnist' is missing"
    )
    assert result["sections"] == ["table1", "table2", "deep-mlp", "unseen", "field", "timing"]
    assert [row["task"] for row in result["rows"]] == [f"{name}/one" for name in result["sections"]]
    report = files["report.md"].decode()
    assert report.startswith(f"# {ALL.title}\n")
    assert "](table2/curves.png)" in report
    assert "- `longer`: dataset 'mnist' is missing" in report
    assert '<h2 id="timing">' in files["report.html"].decode()
    assert b"data:image/png;base64" in files["report.html"]


@pytest.mark.slow
def test_progress_is_that_of_the_whole(recorder: Any) -> None:
    evaluate_sections(spec_of("a@1"), made_up, recorder)
    progress = list(recorder.series("progress").values())
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0.0, 1.0)
    labels = [data["label"] for kind, data in recorder.events if kind == "cell"]
    assert labels == [
        f"{name}: one: adam"
        for name in ("table1", "table2", "deep-mlp", "unseen", "field", "timing")
    ]
    assert [data["suite"] for kind, data in recorder.events if kind == "section.left-out"] == [
        "table3",
        "cnn-100",
        "longer",
    ]

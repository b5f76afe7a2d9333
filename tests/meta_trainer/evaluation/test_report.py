"""Reports of made-up rows: comparisons, divergences, and the files."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hyperadam.rates import Rate

from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.reporting import report_to_json, summarize_report
from meta_trainer.evaluation.reporting.curves import draw_curves
from meta_trainer.evaluation.reporting.files import build_texts
from meta_trainer.evaluation.reporting.results import Results
from meta_trainer.evaluation.tuning import Tuned
from meta_trainer.specs import EvaluationSpec, MLPTaskSpec
from meta_trainer.specs.suites import Size, Suite
from tests.meta_trainer.evaluation.conftest import files_of

NAN = math.nan
N_STEPS = 4
SUITE = Suite(
    name="made-up",
    title="Made <up>",
    learners=dict.fromkeys(("one", "two", "three"), MLPTaskSpec()),
    size=Size(dataset="mnist", horizon=N_STEPS),
    paper_source="Table 0",
    paper={"one": {"Adam": 0.35}, "two": {"HyperAdam": 0.3}},
)


def row(
    task: str, optimizer: str, finals: list[float], *, tuned: bool, on_edge: bool = False
) -> Row:
    values = torch.tensor(finals, dtype=torch.float64)
    return Row(
        task=task,
        optimizer=optimizer,
        kind="baseline" if tuned else "learned",
        rate=Rate(lr=0.5),
        finals=values,
        curves=values * torch.linspace(4, 1, N_STEPS, dtype=torch.float64)[:, None],
        tuned=Tuned(0.5, on_edge, ((0.5, 1.0), (1.0, None))) if tuned else None,
    )


@pytest.fixture(scope="module")
def report() -> Report:
    rows = [
        row("one", "h|yper@1", [1.0, 2.0, 3.0], tuned=False),
        row("one", "adam", [1.5, 2.0, 4.0], tuned=True),
        row("one", "sgd", [5.0, 6.0, 7.0], tuned=True, on_edge=True),
        row("two", "h|yper@1", [0.5, NAN, 0.5], tuned=False),
        row("two", "adam", [1.0, 3.0, 2.0], tuned=True),
        row("two", "sgd", [NAN, NAN, NAN], tuned=True),
        row("three", "h|yper@1", [NAN, NAN, NAN], tuned=False),
        row("three", "adam", [NAN, NAN, NAN], tuned=True),
        row("three", "sgd", [NAN, 3.0, NAN], tuned=True),
    ]
    spec = EvaluationSpec(optimizers=("hyper@1",), dataset="mnist", n_starts=3, horizon=N_STEPS)
    return Report(spec, SUITE, "mnist5k", "ab" * 32, rows)


@pytest.fixture(scope="module")
def files(report: Report) -> dict[str, bytes]:
    return files_of(report)


def result_rows(files: dict[str, bytes]) -> dict[tuple[str, str], dict[str, Any]]:
    rows = json.loads(files["result.json"], parse_constant=pytest.fail)["rows"]
    return {(row["task"], row["optimizer"]): row for row in rows}


def test_differences_are_paired_and_against_the_best_baseline(files: dict[str, bytes]) -> None:
    rows = result_rows(files)
    difference = rows["one", "h|yper@1"]["difference"]
    assert difference["to"] == "adam"
    assert difference["mean"] == pytest.approx(-0.5)  # of −0.5, 0, −1; unpaired errors would be 0.9
    assert difference["stderr"] == pytest.approx(0.5 / math.sqrt(3))
    assert rows["one", "adam"]["difference"] is None
    assert rows["one", "sgd"]["difference"]["mean"] == pytest.approx(3.5)


def test_verdicts_are_those_of_the_paired_differences(
    report: Report, files: dict[str, bytes]
) -> None:
    rows = result_rows(files)
    verdicts = {key: row["verdict"] for key, row in rows.items() if row["verdict"]}
    assert verdicts == {
        ("one", "h|yper@1"): "tie",  # −0.5 ± 0.29
        ("one", "sgd"): "loss",  # 3.5 ± 0.29
        ("two", "h|yper@1"): "loss",  # one start more diverged
        ("two", "sgd"): "loss",
        ("three", "h|yper@1"): "loss",
        ("three", "adam"): "loss",
    }
    assert "| h\\|yper@1 | 0 / 1 / 2 | 0 / 2 / 1 | 2 / 0 / 1 |" in table_lines(files)
    learned = summarize_report(report, "h|yper@1")["tasks"]
    assert [task["verdict"] for task in learned.values()] == ["tie", "loss", "loss"]


@pytest.mark.parametrize(
    "other", [{"dataset": "mnist5k"}, {"horizon": N_STEPS + 1}, {"quick": True}]
)
def test_the_paper_stands_beside_its_own_tasks_alone(report: Report, other: dict[str, Any]) -> None:
    fields = report.spec.model_dump() | other
    elsewhere = replace(report, spec=EvaluationSpec.model_validate(fields))
    texts = build_texts(Results(elsewhere, None))
    assert "paper" not in table_lines(texts)[0]
    assert report_to_json(elsewhere)["paper"]["final_losses"] == {}


def test_diverged_starts_are_counted_and_null(files: dict[str, bytes]) -> None:
    rows = result_rows(files)
    some, all_of_them = rows["two", "h|yper@1"], rows["two", "sgd"]
    assert (some["n_diverged"], some["mean"], some["finals"]) == (1, 0.5, [0.5, None, 0.5])
    assert some["difference"]["mean"] == pytest.approx(-1.0)  # starts 0 and 2 only
    assert (all_of_them["n_diverged"], all_of_them["mean"], all_of_them["stderr"]) == (
        3,
        None,
        None,
    )
    assert all_of_them["difference"] == {"to": "adam", "mean": None, "stderr": None}
    assert all_of_them["tuning"]["trials"] == [[0.5, 1.0], [1.0, None]]


def test_an_optimizer_that_diverges_somewhere_is_not_the_best(files: dict[str, bytes]) -> None:
    best = [key for key, row in result_rows(files).items() if row["best"]]
    assert best == [("one", "h|yper@1"), ("two", "adam"), ("three", "sgd")]


def test_curves_have_a_value_for_each_step_and_start(files: dict[str, bytes]) -> None:
    result = json.loads(files["result.json"])
    assert result["curve_steps"] == [0, 1, 2, 3]
    assert result["curves"]["one"]["adam"]["mean"] == pytest.approx([10.0, 7.5, 5.0, 2.5])
    assert result["curves"]["three"]["adam"] == {"mean": [None] * 4, "stderr": [None] * 4}


def test_the_paper_stands_beside(files: dict[str, bytes]) -> None:
    result = json.loads(files["result.json"])
    losses = {"one": {"Adam": 0.35}, "two": {"HyperAdam": 0.3}}
    assert result["paper"] == {"source": "Table 0", "final_losses": losses, "test": {}}
    header, _, one, two, three = table_lines(files)[:5]
    assert header.endswith("| paper: Adam | paper: HyperAdam |")
    assert one.endswith("| 0.35 | – |")
    assert two.endswith("| – | 0.30 |")
    assert three.endswith("| – | – |")


def table_lines(files: dict[str, bytes]) -> list[str]:
    return [line for line in files["report.md"].decode().splitlines() if line.startswith("|")]


def test_markdown_shows_the_best_in_bold_and_divergences(files: dict[str, bytes]) -> None:
    lines = table_lines(files)
    assert lines[2].startswith("| one | **2.0000 ± 0.5774** | 2.5000 ± 0.7638 | 6.0000 ± 0.5774 |")
    assert lines[3].startswith(
        "| two | 0.5000 ± 0.0000 (1 diverged) | **2.0000 ± 0.5774** | diverged (3 diverged) |"
    )
    cells = (
        "one",
        "**h\\|yper@1**",
        "0.5",
        "**2.0000 ± 0.5774**",
        "0",
        "-0.5000 ± 0.2887 to adam",
        "-20.0%",
        "tie",
    )
    assert f"| {' | '.join(cells)} |" in lines
    assert any("0.5 (edge)" in line for line in lines)
    assert "nan" not in files["report.md"].decode()


def test_the_page_needs_nothing_else_and_escapes_what_it_shows(files: dict[str, bytes]) -> None:
    page = files["report.html"].decode()
    assert "<h1>Made &lt;up&gt;</h1>" in page
    assert "Made <up>" not in page
    assert "<b>2.0000 ± 0.5774</b>" in page
    assert base64.b64encode(files["curves.png"]).decode() in page
    assert "http" not in page
    assert "nan" not in page.replace(base64.b64encode(files["curves.png"]).decode(), "")


@pytest.mark.parametrize(("last", "scale"), [(0.5, "linear"), (1e-6, "log")])
def test_losses_far_apart_are_drawn_on_a_logarithmic_axis(
    report: Report, last: float, scale: str
) -> None:
    finals = [row("one", "adam", [last], tuned=True)]
    curves = torch.linspace(1, last, N_STEPS, dtype=torch.float64)[:, None]
    figure = draw_curves(replace(report, rows=[replace(finals[0], curves=curves)]))
    assert figure.axes[0].get_yscale() == scale


@pytest.mark.slow
def test_the_picture_is_a_png_and_the_same_every_time(
    report: Report, files: dict[str, bytes]
) -> None:
    assert files["curves.png"].startswith(b"\x89PNG\r\n\x1a\n")
    assert files_of(report) == files

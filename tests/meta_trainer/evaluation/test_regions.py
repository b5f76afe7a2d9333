"""Regions of pages: what they quote is what `results.json` says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from meta_trainer.evaluation.report import Report
from meta_trainer.evaluation.reporting.__main__ import main
from meta_trainer.evaluation.reporting.joining import ReportName
from meta_trainer.evaluation.reporting.overviews import Quoted, render_tasks
from meta_trainer.evaluation.reporting.results import Results, decode_results, encode_results
from tests.meta_trainer.evaluation.test_results import NAMES, ORIGIN, make_report

PAGE = """# A page

<!-- results: tasks table1 -->
<!-- end -->

Between.

<!-- results: suites table1 -->
| old |
<!-- end -->

<!-- results: origins table1 -->
<!-- end -->
"""


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report(NAMES, suite="table1", dataset="mnist", n_starts=4)


@pytest.fixture
def page(report: Report, tmp_path: Path) -> Path:
    """A page beside a folder with one report."""
    folder = tmp_path / "results" / "table1"
    folder.mkdir(parents=True)
    (folder / "results.json").write_bytes(encode_results(report, ORIGIN))
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text(PAGE)
    return page


def fill(page: Path, *options: str) -> int:
    return main(["fill", str(page), "--results", str(page.parents[1] / "results"), *options])


def test_a_page_is_filled_once_and_then_is_right(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fill(page, "--check") == 1
    assert page.read_text() == PAGE
    assert f"{page} is not what results.json says" in capsys.readouterr().err
    assert fill(page) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert fill(page, "--check") == 0
    assert fill(page) == 0
    assert capsys.readouterr().out == ""


def test_regions_hold_what_the_report_says_and_nothing_else_changes(
    page: Path, report: Report
) -> None:
    fill(page)
    text = page.read_text()
    row = next(row for row in report.of_task("relu") if row.optimizer == "a@1")
    difference = report.compare_with_best_baseline(row)
    assert difference is not None
    line = next(line for line in text.splitlines() if line.startswith("| relu |"))
    cells = [cell.strip(" *") for cell in line.strip("|").split("|")]
    assert float(cells[1].split(" ± ")[0]) == pytest.approx(row.final.mean, abs=1e-4)
    assert cells[2].endswith(f"({difference.other.optimizer})")
    assert difference.relative is not None
    assert cells[3].startswith(f"{difference.relative:+.1%} ± ")
    assert cells[4] == difference.verdict
    assert cells[-1] == "0.29"
    assert "](../results/table1/README.md)" in text
    assert "`hyperadam evaluate a@1`" in text
    assert text.startswith("# A page\n\n<!-- results: tasks table1 -->\n| task |")
    assert "\nBetween.\n" in text
    assert "| old |" not in text


@pytest.mark.parametrize("text", ["table1", "table1-v4+table1"])
def test_a_name_says_what_it_was_read_from(text: str) -> None:
    assert str(ReportName.parse(text)) == text


def test_one_changed_digit_is_noticed(page: Path) -> None:
    fill(page)
    text = page.read_text()
    digit = text.index("| relu |") + len("| relu | **1.") + 1
    other = "1" if text[digit] != "1" else "2"
    page.write_text(text[:digit] + other + text[digit + 1 :])
    assert fill(page, "--check") == 1


@pytest.mark.parametrize(
    ("region", "told"),
    [
        ("<!-- results: sums table1 -->\n<!-- end -->\n", "the view must be one of tasks"),
        ("<!-- results: tasks -->\n<!-- end -->\n", "must name the folder"),
        ("<!-- results: tasks table9 -->\n<!-- end -->\n", "table9"),
        ("<!-- results: tasks table1 -->\n", "1 regions are opened"),
        ("  <!-- results: tasks table1 -->\n<!-- end -->\n", "on a line of their own"),
    ],
    ids=["view", "no folder", "no such folder", "not closed", "indented"],
)
def test_a_region_that_cannot_be_filled_is_named(
    page: Path, region: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page.write_text(region)
    for options in ((), ("--check",)):
        assert fill(page, *options) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"{page}: ")
        assert told in error
    assert page.read_text() == region


def test_one_table_is_about_one_optimizer(report: Report) -> None:
    other = make_report(NAMES, suite="table1", n_starts=4)
    renamed = other.spec.model_copy(update={"optimizers": ("b@1",)})
    object.__setattr__(other, "spec", renamed)
    quoted = [
        Quoted(name, "", Results(each, ORIGIN)) for name, each in (("x", report), ("y", other))
    ]
    with pytest.raises(ValueError, match="about one optimizer, got a, b"):
        render_tasks(quoted)


def begin_alike(report: Report) -> Report:
    """All optimizers from the same losses, as on the same starts."""
    rows = []
    for row in report.rows:
        curves = row.curves.clone()
        curves[0] = torch.linspace(2, 3, report.spec.n_starts, dtype=torch.float64)
        rows.append(replace(row, curves=curves))
    return replace(report, rows=rows)


def leave_learned(report: Report) -> Report:
    return replace(report, rows=[row for row in report.rows if row.kind == "learned"])


def put(page: Path, name: str, report: Report) -> None:
    folder = page.parents[1] / "results" / name
    folder.mkdir()
    (folder / "results.json").write_bytes(encode_results(report, ORIGIN))


def test_baselines_of_another_report_stand_beside_a_theta_that_ran_alone(
    page: Path, report: Report
) -> None:
    """As if they had been run with it; a task that the other lacks has none."""
    whole = begin_alike(report)
    put(page, "whole", whole)
    put(page, "alone", leave_learned(whole))
    put(page, "fewer", replace(whole, rows=[row for row in whole.rows if row.task != "elu"]))
    page.write_text("<!-- results: tasks alone+fewer -->\n<!-- end -->\n")
    assert fill(page) == 0
    joined = page.read_text().splitlines()
    page.write_text("<!-- results: tasks whole -->\n<!-- end -->\n")
    fill(page)
    together = page.read_text().splitlines()

    def read(lines: list[str], task: str) -> list[str]:
        line = next(line for line in lines if line.startswith(f"| {task} |"))
        return [cell.strip() for cell in line.strip("|").split("|")]

    assert read(joined, "relu")[:5] == read(together, "relu")[:5]
    assert read(joined, "elu")[2:5] == ["–", "–", "–"]
    assert "untrained" not in joined[1]
    assert "untrained" in together[1]


def test_a_suite_says_whose_baselines_it_has(page: Path, report: Report) -> None:
    put(page, "whole", begin_alike(report))
    put(page, "alone", leave_learned(begin_alike(report)))
    page.write_text(
        "<!-- results: suites alone+whole -->\n<!-- end -->\n\n"
        "<!-- results: suites alone -->\n<!-- end -->\n"
    )
    assert fill(page) == 0
    beside, alone = (line for line in page.read_text().splitlines() if line.startswith("| [alone]"))
    assert ", beside the baselines of [whole](../results/whole/README.md) |" in beside
    assert alone.endswith("| – | – |")


def shift(report: Report) -> Report:
    """Of other starts."""
    rows = [replace(row, curves=row.curves + 0.1) for row in report.rows]
    return replace(report, rows=rows)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (shift, "sigmoid: the first losses are"),
        (
            lambda r: replace(r, spec=r.spec.model_copy(update={"seed": 2})),
            "seed must be the same, got 1 and 2",
        ),
        (lambda r: replace(r, rows=[]), "no task in common"),
    ],
)
def test_baselines_of_other_starts_are_refused(
    page: Path, report: Report, change: Any, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put(page, "alone", leave_learned(begin_alike(report)))
    put(page, "other", change(begin_alike(report)))
    page.write_text("<!-- results: tasks alone+other -->\n<!-- end -->\n")
    assert fill(page) == 1
    assert told in capsys.readouterr().err


def test_a_report_with_baselines_keeps_its_own(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page.write_text("<!-- results: tasks table1+table1 -->\n<!-- end -->\n")
    assert fill(page) == 1
    assert "“table1+table1”: it has baselines of its own" in capsys.readouterr().err


def test_a_page_beside_its_results_is_checked_without_drawing(
    page: Path, report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = page.parents[1] / "results" / "table1"
    assert main(["rebuild", str(folder), "--page", "README.md", "--check"]) == 1
    missing = capsys.readouterr().err
    for name in ("README.md", "gains.tex", "curves.png"):
        assert f"{folder / name} is not what results.json says" in missing


@pytest.mark.slow
def test_what_was_rebuilt_is_right_until_a_letter_changes(page: Path) -> None:
    folder = page.parents[1] / "results" / "table1"
    check = ["rebuild", str(folder), "--page", "README.md", "--check"]
    assert main(["rebuild", str(folder), "--page", "README.md"]) == 0
    assert main(check) == 0
    table = folder / "differences.tex"
    table.write_text(table.read_text().replace("adam", "Adam", 1))
    assert main(check) == 1


def test_a_report_of_several_versions_is_about_the_first(report: Report) -> None:
    read = decode_results(encode_results(report, ORIGIN))
    assert "`a`" in render_tasks([Quoted("x", "", read)]).splitlines()[0]

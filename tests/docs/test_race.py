"""The picture of the race: curves of a report, or of one with the baselines of another."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from guide.race import BEST, LEARNED, OTHER, draw_race
from meta_trainer.evaluation.curve import Curve
from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.reporting.joining import ReportName, read_named
from meta_trainer.evaluation.reporting.results import encode_results
from tests.meta_trainer.evaluation.test_regions import begin_alike, leave_learned
from tests.meta_trainer.evaluation.test_results import ORIGIN, make_report

BASELINES = ("adam", "adam-scheduled", "adamw", "adamw-scheduled")


@pytest.fixture(scope="module")
def report() -> Report:
    whole = make_report(("a@1", *BASELINES), suite="table1", dataset="mnist", n_starts=4)
    return begin_alike(whole)


def count_curves(picture: str) -> dict[str, int]:
    return {
        colour: picture.count(f'<polyline fill="none" stroke="{colour}"')
        for colour in (LEARNED, BEST, OTHER)
    }


def put(folder: Path, name: str, report: Report) -> None:
    (folder / name).mkdir()
    (folder / name / "results.json").write_bytes(encode_results(report, ORIGIN))


def test_baselines_of_another_report_race_as_its_own(report: Report, tmp_path: Path) -> None:
    put(tmp_path, "whole", report)
    put(tmp_path, "alone", leave_learned(report))
    whole = read_named(ReportName.parse("whole"), tmp_path).report
    joined = read_named(ReportName.parse("alone+whole"), tmp_path).report
    assert draw_race(joined, "relu") == draw_race(whole, "relu")
    assert count_curves(draw_race(joined, "relu")) == {LEARNED: 1, BEST: 1, OTHER: 3}


def test_every_curve_is_drawn_at_its_own_steps(report: Report) -> None:
    """The more rows a file has, the fewer steps it keeps."""
    [row] = [row for row in report.of_task("relu") if row.optimizer == "a@1"]
    few = Curve.at(torch.tensor([0, 50, 99]), row.curves)
    picture = draw_race(change(report, "a@1", stored_curve=few), "relu")
    [points] = re.findall(rf'stroke="{LEARNED}" stroke-width="2.6" points="(.+?)"', picture)
    assert [point.split(",")[0] for point in points.split()] == ["60.0", "292.3", "520.0"]


def change(report: Report, optimizer: str, **fields: object) -> Report:
    def change_row(row: Row) -> Row:
        return replace(row, **fields) if row.optimizer == optimizer else row

    return replace(report, rows=[change_row(row) for row in report.rows])


def test_what_is_not_tuned_does_not_race(report: Report) -> None:
    picture = draw_race(change(report, "adamw", tuned=None), "relu")
    assert count_curves(picture)[OTHER] == 2
    assert ">2 other baselines</text>" in picture


def test_a_curve_ends_where_a_loss_is_not_finite(report: Report) -> None:
    [row] = [row for row in report.of_task("relu") if row.optimizer == "a@1"]
    curves = row.curves.clone()
    curves[50:] = torch.nan
    finals = torch.full_like(row.finals, torch.nan)
    picture = draw_race(change(report, "a@1", curves=curves, finals=finals), "relu")
    assert "nan" not in picture.replace("its own rate: nan, 4 of 4 diverged", "")


@pytest.mark.parametrize(
    ("only_learned", "task", "told"),
    [(False, "gelu", "task must be one of sigmoid, relu, .*, got 'gelu'"), (True, "relu", "tuned")],
)
def test_what_cannot_be_drawn_is_said(
    report: Report, only_learned: bool, task: str, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        draw_race(leave_learned(report) if only_learned else report, task)

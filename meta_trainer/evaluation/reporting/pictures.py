"""Which pictures a report has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from meta_trainer.evaluation.report import Report
from meta_trainer.evaluation.reporting.charts import (
    draw_along_axis,
    draw_along_variants,
    draw_bars,
)
from meta_trainer.evaluation.reporting.curves import draw_curves
from meta_trainer.evaluation.reporting.styles import render_png


class Picture(NamedTuple):
    """A file beside the report."""

    name: str
    description: str
    """For those who cannot see it."""
    png: bytes


class DrawnReport(NamedTuple):
    """A report with its pictures, which are drawn once."""

    report: Report
    pictures: Sequence[Picture]


def draw_report(report: Report) -> DrawnReport:
    """Loss curves, preceded by final losses where tasks or versions lie along an axis; bars where
    time was measured."""
    if report.is_timing:
        png = render_png(draw_bars(report))
        bars = Picture("seconds.png", "Seconds per update of every optimizer", png)
        return DrawnReport(report, [bars])

    pictures = []
    axis = report.suite.axis
    if report.variants:
        png = render_png(draw_along_variants(report))
        pictures.append(Picture("final-losses.png", "Final losses along what was varied", png))
    elif axis:
        png = render_png(draw_along_axis(report))
        description = f"Final losses of every optimizer by {axis.label}"
        pictures.append(Picture("final-losses.png", description, png))

    png = render_png(draw_curves(report))
    pictures.append(Picture("curves.png", "Loss curves of every optimizer on every task", png))
    return DrawnReport(report, pictures)

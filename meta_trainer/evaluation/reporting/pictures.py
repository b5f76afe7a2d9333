"""Which pictures a report has, each in three formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from meta_trainer.evaluation.report import Report
from meta_trainer.evaluation.reporting.charts import (
    draw_along_axis,
    draw_along_variants,
    draw_bars,
)
from meta_trainer.evaluation.reporting.curves import draw_curves
from meta_trainer.evaluation.reporting.styles import render_pdf, render_png, render_svg


@dataclass(frozen=True)
class Picture:
    """A file beside the report."""

    name: str
    description: str
    """For those who cannot see it."""
    png: bytes
    vector_files: Mapping[str, bytes] = field(default_factory=dict)
    """The same for print, name → content."""


def draw_pictures(report: Report) -> list[Picture]:
    """Loss curves, preceded by final losses where tasks or versions lie along an axis; bars where
    time was measured. Bands and bars of errors are one standard error."""
    if report.is_timing:
        description = "Seconds per update of every optimizer"
        return [_render("seconds", description, draw_bars(report))]

    pictures = []
    axis = report.suite.axis
    if report.variants:
        figure = draw_along_variants(report)
        pictures.append(
            _render("final-losses", "Final losses ± standard error along what was varied", figure)
        )
    elif axis:
        description = f"Final losses ± standard error of every optimizer by {axis.label}"
        pictures.append(_render("final-losses", description, draw_along_axis(report)))

    description = "Loss curves ± standard error of every optimizer on every task"
    pictures.append(_render("curves", description, draw_curves(report)))
    return pictures


def _render(name: str, description: str, figure: Figure) -> Picture:
    vector_files = {f"{name}.svg": render_svg(figure), f"{name}.pdf": render_pdf(figure)}
    return Picture(f"{name}.png", description, render_png(figure), vector_files)

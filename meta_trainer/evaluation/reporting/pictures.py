"""Which pictures a report has, each in three formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from matplotlib.figure import Figure

from meta_trainer.evaluation.report import Report
from meta_trainer.evaluation.reporting.charts import (
    draw_along_axis,
    draw_along_variants,
    draw_bars,
)
from meta_trainer.evaluation.reporting.curves import draw_curves
from meta_trainer.evaluation.reporting.styles import render_pdf, render_png, render_svg


class Caption(NamedTuple):
    """What a page says of a picture."""

    name: str
    """Of its file."""
    description: str
    """For those who cannot see it."""


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
    return [_render(caption, draw(report)) for caption, draw in _list_drawings(report)]


def list_captions(report: Report) -> list[Caption]:
    """What a page says of `draw_pictures`, none of which is drawn for it."""
    return [caption for caption, _ in _list_drawings(report)]


def _list_drawings(report: Report) -> list[tuple[Caption, Callable[[Report], Figure]]]:
    if report.is_timing:
        return [(Caption("seconds.png", "Seconds per update of every optimizer"), draw_bars)]

    drawings = []
    axis = report.suite.axis
    if report.variants:
        description = "Final losses ± standard error along what was varied"
        drawings.append((Caption("final-losses.png", description), draw_along_variants))
    elif axis:
        description = f"Final losses ± standard error of every optimizer by {axis.label}"
        drawings.append((Caption("final-losses.png", description), draw_along_axis))

    description = "Loss curves ± standard error of every optimizer on every task"
    return [*drawings, (Caption("curves.png", description), draw_curves)]


def _render(caption: Caption, figure: Figure) -> Picture:
    stem = caption.name.removesuffix(".png")
    vector_files = {f"{stem}.svg": render_svg(figure), f"{stem}.pdf": render_pdf(figure)}
    return Picture(caption.name, caption.description, render_png(figure), vector_files)

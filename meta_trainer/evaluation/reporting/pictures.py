"""Which pictures a report has."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from meta_trainer.evaluation.reporting.charts import along_axis_png, along_variants_png, bars_png
from meta_trainer.evaluation.reporting.curves import curves_png

if TYPE_CHECKING:
    from meta_trainer.evaluation.report import Report


class Picture(NamedTuple):
    """A file beside the report."""

    name: str
    description: str
    """For those who cannot see it."""
    png: bytes


def pictures(report: Report) -> list[Picture]:
    """Loss curves, preceded by final losses where tasks or versions lie along an axis; bars where
    time was measured."""
    if report.suite.measure == "seconds per update":
        return [Picture("seconds.png", "Seconds per update of every optimizer", bars_png(report))]
    drawn = [
        Picture("curves.png", "Loss curves of every optimizer on every task", curves_png(report))
    ]
    if axis := report.suite.axis:
        finals = Picture(
            "final-losses.png",
            f"Final losses of every optimizer by {axis.label}",
            along_axis_png(report),
        )
        drawn.insert(0, finals)
    if report.variants:
        finals = Picture(
            "final-losses.png", "Final losses along what was varied", along_variants_png(report)
        )
        drawn.insert(0, finals)
    return drawn

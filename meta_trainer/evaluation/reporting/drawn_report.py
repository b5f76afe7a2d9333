"""A report as it is shown: what `results.json` says of it, with pictures that are drawn once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from meta_trainer.evaluation.report import Report
from meta_trainer.evaluation.reporting.origin import Origin
from meta_trainer.evaluation.reporting.pictures import Picture, draw_pictures
from meta_trainer.evaluation.reporting.results import decode_results, encode_results


class DrawnReport(NamedTuple):
    """Pages, tables and pictures are made of `shown`, so that they can be made again from the
    file."""

    report: Report
    """As it was evaluated, unrounded."""
    shown: Report
    """As the file says."""
    origin: Origin | None
    results: bytes
    """The file `results.json`."""
    pictures: Sequence[Picture]


def draw_report(report: Report, origin: Origin | None = None) -> DrawnReport:
    """
    Args:
        origin: None: not said.
    """
    results = encode_results(report, origin)
    shown = decode_results(results, report.suite).report
    return DrawnReport(report, shown, origin, results, draw_pictures(shown))


def redraw_report(results: bytes) -> DrawnReport:
    """The same from a file alone; its report is the rounded one.

    Raises:
        ValueError: not such a file.
    """
    report, origin = decode_results(results)
    return DrawnReport(report, report, origin, results, draw_pictures(report))

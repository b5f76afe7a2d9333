"""The README's picture: loss curves of one task, from a report's `results.json` and nothing else.

    python -m guide.race docs/reproduction table1-v5+table1-v4 sigmoid docs/race.svg

The first learned optimizer and the best tuned baseline in colour, and all other tuned ones in grey:
means over the report's starts. `table1-v5+table1-v4` is the report in `table1-v5` with the
baselines of `table1-v4` (`meta_trainer.evaluation.reporting.joining`).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final

from hyperadam.names import split_ref

from meta_trainer.evaluation.curve import Curve
from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.reporting.joining import ReportName, read_named

WIDTH: Final = 760
HEIGHT: Final = 380
LEFT: Final = 60
RIGHT: Final = 240
TOP: Final = 46
BOTTOM: Final = 50
LEARNED: Final = "#3949ab"
BEST: Final = "#ef6c00"
OTHER: Final = "#b0bec5"
MARKS: Final = (0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5)
"""Losses beside the axis."""


def draw_race(report: Report, task: str) -> str:
    """The picture, as SVG.

    Args:
        task: which of the report's tasks.

    Raises:
        ValueError: the report has no such task, or no tuned baseline on it.
    """
    if task not in report.tasks:
        raise ValueError(f"task must be one of {', '.join(report.tasks)}, got {task!r}")
    best = report.best_baseline(task)
    if best is None:
        raise ValueError(f"no tuned baseline was run on {task}")
    rows = report.of_task(task)
    learned = next(row for row in rows if row.kind == "learned")
    tuned = [row for row in rows if row.kind == "baseline" and row.tuned is not None]
    others = [row for row in tuned if row is not best]

    curves = [row.summarize_curve() for row in (*others, best, learned)]
    across = _Scale(0, max(curve.steps[-1] for curve in curves), LEFT, WIDTH - RIGHT)
    heights = [height for curve in curves for _, height in _list_points(curve)]
    up = _Scale(min(heights), max(heights), HEIGHT - BOTTOM, TOP)
    colours = [OTHER] * len(others) + [BEST, LEARNED]
    parts = [_draw_frame(report, task, across, up)]
    parts += [
        _draw_curve(curve, colour, across, up)
        for curve, colour in zip(curves, colours, strict=True)
    ]
    parts += _write_legend(learned, best, len(others))
    return _wrap(parts)


class _Scale:
    """From values to pixels, linearly."""

    def __init__(self, low: float, high: float, begin: float, end: float) -> None:
        self.low = low
        self.high = high
        self._begin = begin
        self._slope = (end - begin) / (high - low)

    def __call__(self, value: float) -> float:
        return self._begin + (value - self.low) * self._slope


def _list_points(curve: Curve) -> Iterator[tuple[int, float]]:
    """Steps, and the logarithms of their losses; those that are not finite are left out."""
    for step, loss in zip(curve.steps, curve.means, strict=True):
        if loss is not None:
            yield step, math.log10(loss)


def _draw_curve(curve: Curve, colour: str, across: _Scale, up: _Scale) -> str:
    points = " ".join(
        f"{across(step):.1f},{up(height):.1f}" for step, height in _list_points(curve)
    )
    width = 1.2 if colour == OTHER else 2.6
    return f'<polyline fill="none" stroke="{colour}" stroke-width="{width}" points="{points}"/>'


def _draw_frame(report: Report, task: str, across: _Scale, up: _Scale) -> str:
    n_starts = report.spec.n_starts
    title = f"{report.suite.title}: {task}, {report.dataset}, mean of {n_starts} starts"
    parts = [
        f'<text x="{LEFT}" y="24" font-size="15" fill="#1a237e">{escape(title)}</text>',
        f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#607d8b"/>',
        _write((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "step", "middle"),
    ]
    losses = [loss for loss in MARKS if up.low <= math.log10(loss) <= up.high]
    parts += [_write(LEFT - 8, up(math.log10(loss)) + 4, f"{loss:g}", "end") for loss in losses]
    marked = range(0, int(across.high) + 2, max(1, round(across.high / 5)))
    below = HEIGHT - BOTTOM + 18
    parts += [_write(across(step), below, str(step), "middle") for step in marked]
    return "".join(parts)


def _write_legend(learned: Row, best: Row, n_others: int) -> list[str]:
    x = WIDTH - RIGHT + 14
    name, _ = split_ref(learned.optimizer)
    entries = (
        (LEARNED, name, f"its own rate: {_write_final(learned)}"),
        (BEST, best.optimizer, f"best, tuned: {_write_final(best)}"),
        (OTHER, f"{n_others} other baselines", "each tuned for this task"),
    )
    parts = []
    for number, (colour, title, note) in enumerate(entries):
        y = TOP + 16 + 52 * number
        parts.append(f'<path d="M{x} {y}h22" stroke="{colour}" stroke-width="3"/>')
        parts.append(_write(x + 30, y + 5, title, "start"))
        parts.append(_write(x + 30, y + 23, note, "start"))
    parts.append(_write(x, HEIGHT - BOTTOM, "final losses; lower is better", "start"))
    return parts


def _write_final(row: Row) -> str:
    """The mean of the final losses; how many starts diverged, if any did."""
    diverged = f", {row.n_diverged} of {len(row.finals)} diverged" if row.n_diverged else ""
    return f"{row.final.mean:.3f}{diverged}"


def _write(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _wrap(parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13" fill="#455a64">'
    )
    background = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    return "\n".join([head, background, *parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    reports_path, report_name, task_name, picture_path = sys.argv[1:]
    found = read_named(ReportName.parse(report_name), Path(reports_path)).report
    Path(picture_path).write_text(draw_race(found, task_name), "utf-8")

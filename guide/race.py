"""The README's picture: loss curves of one task, from a report's `results.json` and nothing else.

    python -m guide.race docs/reproduction/table1/results.json relu docs/race.svg

One learned optimizer, the best tuned baseline in colour, and all others in grey: means over the
report's starts.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

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


def draw_race(results: Mapping[str, Any], task: str) -> str:
    """The picture, as SVG.

    Args:
        results: what a report's `results.json` holds.
        task: which of its tasks.
    """
    steps: list[int] = results["steps"][task]["curve"]
    rows = {row["optimizer"]: row for row in results["rows"] if row["task"] == task}
    kinds = {name: each["kind"] for name, each in results["optimizers"].items()}
    learned = next(name for name in rows if kinds[name] == "learned")
    baselines = [name for name in rows if kinds[name] not in ("learned", "untrained")]
    best = min(baselines, key=lambda name: _average(rows[name]["finals"]))

    curves = {name: rows[name]["means"] for name in [*baselines, learned]}
    across = _Scale(0, steps[-1], LEFT, WIDTH - RIGHT)
    losses = [math.log10(loss) for curve in curves.values() for loss in curve]
    up = _Scale(min(losses), max(losses), HEIGHT - BOTTOM, TOP)
    colours = dict.fromkeys(curves, OTHER) | {best: BEST, learned: LEARNED}
    order = sorted(curves, key=lambda name: (name in (best, learned), name == learned))
    parts = [_draw_frame(results, task, across, up)]
    parts += [_draw_curve(steps, curves[name], colours[name], across, up) for name in order]
    parts += _write_legend(rows, learned, best, len(baselines))
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


def _average(finals: Sequence[float | None]) -> float:
    """Of a row's final losses; a start that diverged makes it infinite."""
    values = [math.inf if each is None else each for each in finals]
    return sum(values) / len(values)


def _draw_curve(
    steps: Sequence[int], losses: Sequence[float], colour: str, across: _Scale, up: _Scale
) -> str:
    points = " ".join(
        f"{across(step):.1f},{up(math.log10(loss)):.1f}"
        for step, loss in zip(steps, losses, strict=True)
    )
    width = 1.2 if colour == OTHER else 2.6
    return f'<polyline fill="none" stroke="{colour}" stroke-width="{width}" points="{points}"/>'


def _draw_frame(results: Mapping[str, Any], task: str, across: _Scale, up: _Scale) -> str:
    n_starts = results["spec"]["n_starts"]
    title = f"{results['title']}: {task}, {results['dataset']}, mean of {n_starts} starts"
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


def _write_legend(rows: Mapping[str, Any], learned: str, best: str, n_baselines: int) -> list[str]:
    x = WIDTH - RIGHT + 14
    entries = (
        (
            LEARNED,
            learned.partition("@")[0],
            f"its own rate: {_average(rows[learned]['finals']):.3f}",
        ),
        (BEST, best, f"best, tuned: {_average(rows[best]['finals']):.3f}"),
        (OTHER, f"{n_baselines - 1} other baselines", "each tuned for this task"),
    )
    parts = []
    for number, (colour, name, note) in enumerate(entries):
        y = TOP + 16 + 52 * number
        parts.append(f'<path d="M{x} {y}h22" stroke="{colour}" stroke-width="3"/>')
        parts.append(_write(x + 30, y + 5, name, "start"))
        parts.append(_write(x + 30, y + 23, note, "start"))
    parts.append(_write(x, HEIGHT - BOTTOM, "final losses; lower is better", "start"))
    return parts


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
    results_path, task_name, picture_path = sys.argv[1:]
    found = json.loads(Path(results_path).read_text("utf-8"))
    Path(picture_path).write_text(draw_race(found, task_name), "utf-8")

"""A recording as one page of HTML: line charts in SVG, without scripts and without other files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from hyperadam.inside.recording import Recording
from hyperadam.theta import Theta

WIDTH: Final = 640
HEIGHT: Final = 240
MARGIN: Final = 48
"""Around a chart's area, in pixels."""
MOST_NAMES: Final = 8
"""Of lines that stand beside a chart; of more, a pointer on a line shows its name."""
_STYLE: Final = (
    "body{font:15px/1.5 sans-serif;max-width:52em;margin:2em auto;padding:0 1em;"
    "color:#1a1a2e;background:#fff}svg{width:100%;height:auto}text{font:11px sans-serif;fill:#555}"
    "figure{margin:2em 0}figcaption{color:#555}td,th{text-align:left;padding:0 1em 0 0}"
)


def write_page(theta: Theta, recording: Recording) -> str:
    """The page of one recording.

    Args:
        theta: what trained.
        recording: what was seen of it.
    """
    names = [tensor.name for tensor in recording.looks[-1]]
    steps: dict[str, list[float]] = {name: [] for name in names}
    betas: dict[str, list[float]] = {name: [] for name in names}
    for look in recording.looks:
        for tensor in look:
            steps[tensor.name].append(tensor.relative_step)
            betas[tensor.name].append(_average(tensor.beta))

    charts = [
        draw_chart("Loss of the minibatch", recording.steps, {"loss": recording.losses}),
        draw_chart("Length of a step beside the weights, by tensor", recording.steps, steps),
    ]
    if recording.looks[-1][0].beta:
        title = "Decay rate of first moments, mean over candidates, by tensor"
        charts.append(draw_chart(title, recording.steps, betas))
    if recording.looks[-1][0].mixture:
        title = f"Weights of the mixture, by candidate, in {names[0]}"
        charts.append(draw_chart(title, recording.steps, _list_mixtures(recording)))
    head = f'<meta charset="utf-8"><title>Inside a Θ</title><style>{_STYLE}</style>'
    body = f"<h1>Inside a Θ</h1>{theta._repr_html_()}{''.join(charts)}"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _list_mixtures(recording: Recording) -> dict[str, list[float]]:
    """ρ_j of the first tensor over the looks, of each candidate."""
    rows = [look[0].mixture for look in recording.looks]
    columns = zip(*rows, strict=True)
    return {f"ρ {number}": list(column) for number, column in enumerate(columns, 1)}


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def draw_chart(title: str, steps: Sequence[int], lines: Mapping[str, Sequence[float]]) -> str:
    """A figure with one line for each series; what is not finite is left out.

    Args:
        title: says what is shown.
        steps: where the points are, from left to right.
        lines: name → its values, one for each of the steps.
    """
    finite = [value for line in lines.values() for value in line if math.isfinite(value)] or [0.0]
    lowest = min(finite)
    highest = max(*finite, lowest + 1e-9)
    parts = [_draw_axes(steps, lowest, highest)]
    for index, (name, line) in enumerate(lines.items()):
        colour = f"hsl({360 * index // len(lines)} 65% 42%)"
        points = [
            f"{_across(step, steps):.1f},{_up(value, lowest, highest):.1f}"
            for step, value in zip(steps, line, strict=True)
            if math.isfinite(value)
        ]
        parts.append(_draw_line(name, points, colour))
        if len(lines) <= MOST_NAMES:
            parts.append(_write_name(name, index, colour))
    size = f'viewBox="0 0 {WIDTH + MARGIN} {HEIGHT}"'
    picture = f'<svg {size} role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    return f"<figure><figcaption>{escape(title)}</figcaption>{picture}</figure>"


def _draw_line(name: str, points: Sequence[str], colour: str) -> str:
    stroke = f'fill="none" stroke="{colour}" stroke-width="1.5"'
    label = f"<title>{escape(name)}</title>"
    return f'<polyline {stroke} points="{" ".join(points)}">{label}</polyline>'


def _write_name(name: str, index: int, colour: str) -> str:
    place = f'x="{WIDTH - MARGIN + 4}" y="{MARGIN + 14 * index}"'
    return f'<text {place} style="fill:{colour}">{escape(name)}</text>'


def _draw_axes(steps: Sequence[int], lowest: float, highest: float) -> str:
    bottom = HEIGHT - MARGIN
    right = WIDTH - MARGIN
    frame = f'<path d="M{MARGIN} {MARGIN / 2}V{bottom}H{right}" fill="none" stroke="#999"/>'
    numbers = [
        f'<text x="{MARGIN - 4}" y="{bottom}" text-anchor="end">{lowest:.3g}</text>',
        f'<text x="{MARGIN - 4}" y="{MARGIN / 2 + 8}" text-anchor="end">{highest:.3g}</text>',
        f'<text x="{MARGIN}" y="{bottom + 16}">{steps[0]}</text>',
        f'<text x="{right}" y="{bottom + 16}" text-anchor="end">{steps[-1]} steps</text>',
    ]
    return frame + "".join(numbers)


def _across(step: int, steps: Sequence[int]) -> float:
    length = max(steps[-1] - steps[0], 1)
    return MARGIN + (WIDTH - 2 * MARGIN) * (step - steps[0]) / length


def _up(value: float, lowest: float, highest: float) -> float:
    bottom = HEIGHT - MARGIN
    return bottom - (bottom - MARGIN / 2) * (value - lowest) / (highest - lowest)

"""Loss curves with a band of one standard error, one panel for each task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import torch
from matplotlib.figure import Figure
from torch import Tensor

from meta_trainer.evaluation.report import Report, Row
from meta_trainer.evaluation.reporting.styles import (
    DPI,
    add_legend,
    choose_styles,
    fill_band,
    set_log_scale,
    set_title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MANY: Final = 8
"""Tasks beyond which panels are smaller, more stand in a row, and baselines have no bands."""
_HEADROOM: Final = 1.2
_LOG_FROM: Final = 3
"""Where losses span more than this factor, the axis is logarithmic."""


def draw_curves(report: Report) -> Figure:
    """All tasks in one figure. The same report gives the same."""
    tasks = report.tasks
    are_many = len(tasks) > _MANY
    n_columns = min(4 if are_many else 2, len(tasks))
    n_rows = math.ceil(len(tasks) / n_columns)
    width, height = (3.2, 2.4) if are_many else (5.2, 3.6)
    size = (width * n_columns, height * n_rows + 0.7)
    dpi = DPI * min(1.0, math.sqrt(_MANY / len(tasks)))  # so that the file stays as large
    figure = Figure(figsize=size, dpi=dpi, layout="constrained")
    panels = list(figure.subplots(n_rows, n_columns, squeeze=False).flat)

    styles = choose_styles(report)
    for panel, task in zip(panels, tasks, strict=False):
        _draw_task(panel, report, task, styles)
    for panel in panels[len(tasks) :]:
        panel.set_visible(False)

    add_legend(figure)
    set_title(figure, report.suite.title)
    return figure


def _draw_task(panel: Axes, report: Report, task: str, styles: dict[str, dict[str, Any]]) -> None:
    rows = [row for row in report.of_task(task) if row.optimizer in styles]
    are_many = len(report.tasks) > _MANY
    ceiling = _find_ceiling(rows)
    visible_means = []
    for row in rows:
        curve = row.summarize_curve()
        style = styles[row.optimizer]
        means = _to_tensor(curve.means)
        panel.plot(curve.steps, means, label=report.label(row.optimizer), **style)

        is_visible = means <= ceiling
        errors = torch.nan_to_num(_to_tensor(curve.errors))
        band = torch.where(is_visible, errors, 0.0)
        if row.kind != "baseline" or not are_many:
            fill_band(panel, curve.steps, means, band, style)
        visible_means.append(means[is_visible])

    panel.set_title(task, fontsize=11)
    panel.set_xlabel("step")
    panel.set_ylabel("loss on the minibatch")
    panel.grid(alpha=0.25, linewidth=0.5, which="major" if are_many else "both")
    panel.margins(x=0.01)
    _set_scale(panel, torch.cat(visible_means))


def _find_ceiling(rows: list[Row]) -> float:
    """A little above the loss at the start: what lies higher is cut off, so that a divergence hides
    nothing."""
    first_means = [row.summarize_curve().means[0] for row in rows]
    finite = [mean for mean in first_means if mean is not None]
    return _HEADROOM * max(finite, default=math.inf)


def _to_tensor(values: Sequence[float | None]) -> Tensor:
    numbers = [math.nan if value is None else value for value in values]
    return torch.tensor(numbers, dtype=torch.float64)


def _set_scale(panel: Axes, means: Tensor) -> None:
    """Limits around what is drawn."""
    if not len(means) or float(means.min()) <= 0:
        return
    bottom = float(means.min())
    top = float(means.max())
    panel.set_ylim(bottom * 0.85, top * 1.1)
    if top / bottom > _LOG_FROM:
        set_log_scale(panel, bottom, top)

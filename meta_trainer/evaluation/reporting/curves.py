"""Loss curves with a band of one standard error, one panel for each task; and what all pictures
have in common."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any, Final

import torch
from matplotlib.figure import Figure
from torch import Tensor

from meta_trainer.evaluation.statistics import curve, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from meta_trainer.evaluation.report import Report, Row

LEARNED_COLOURS: Final = ("#D55E00", "#CC79A7", "#E69F00", "#000000")
BASELINE_COLOURS: Final = ("#0072B2", "#56B4E9", "#009E73", "#999999", "#F0E442")
"""Okabe and Ito's palette, which colour-blind readers can tell apart; dashes tell apart what
colours alone do not."""
_DASHES: Final = ("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
_COLUMNS: Final = 2
BAND: Final = "band ± 1 standard error"


def curves_png(report: Report) -> bytes:
    """All tasks as one PNG. The same report gives the same bytes."""
    tasks = report.tasks
    n_columns = min(_COLUMNS, len(tasks))
    n_rows = math.ceil(len(tasks) / n_columns)
    figure = Figure(figsize=(5.2 * n_columns, 3.6 * n_rows + 0.7), dpi=130, layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).flat
    styles = line_styles(report)
    for panel, task in zip(axes, tasks, strict=False):
        _draw_task(panel, report, task, styles)
    for panel in list(axes)[len(tasks) :]:
        panel.set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(5, len(labels)), frameon=False
    )
    return finished(
        figure, f"{report.suite.title}: {report.dataset}, {report.spec.n_starts} starts, {BAND}"
    )


def finished(figure: Figure, title: str) -> bytes:
    """The figure as PNG, without anything that changes from day to day."""
    figure.suptitle(title, fontsize=11)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def line_styles(report: Report) -> dict[str, dict[str, Any]]:
    """Optimizer → how its line is drawn: learned ones thick and solid, baselines thin and
    dashed."""
    styles: dict[str, dict[str, Any]] = {}
    counts = {"learned": 0, "baseline": 0}
    for row in report.rows:
        if row.optimizer in styles:
            continue
        i = counts[row.kind]
        counts[row.kind] += 1
        if row.kind == "learned":
            colour, dash = (
                LEARNED_COLOURS[i % len(LEARNED_COLOURS)],
                "-" if i < len(LEARNED_COLOURS) else "--",
            )
            styles[row.optimizer] = {"color": colour, "ls": dash, "lw": 2.0, "zorder": 3}
        else:
            colour = BASELINE_COLOURS[i % len(BASELINE_COLOURS)]
            styles[row.optimizer] = {
                "color": colour,
                "ls": _DASHES[i % len(_DASHES)],
                "lw": 1.3,
                "zorder": 2,
            }
    return styles


def _draw_task(panel: Axes, report: Report, task: str, styles: dict[str, dict[str, Any]]) -> None:
    rows = report.of_task(task)
    ceiling, drawn = _ceiling(rows), []
    for row in rows:
        steps, style = thinned(len(row.curves)), styles[row.optimizer]
        means, errors = (_tensor(values) for values in curve(row.curves[steps]))
        panel.plot(steps, means, label=report.label(row.optimizer), **style)
        band = torch.where(means <= ceiling, torch.nan_to_num(errors), 0.0)
        panel.fill_between(
            steps, means - band, means + band, color=style["color"], alpha=0.18, lw=0
        )
        drawn.append(means[means <= ceiling])
    panel.set_title(task, fontsize=11)
    panel.set_xlabel("step")
    panel.set_ylabel("loss on the minibatch")
    panel.grid(alpha=0.25, lw=0.5, which="both")
    panel.margins(x=0.01)
    _scale(panel, torch.cat(drawn))


def _ceiling(rows: list[Row]) -> float:
    """Twice the loss at the start: what lies above is cut off, so that a divergence hides
    nothing."""
    starts = torch.cat([row.curves[0] for row in rows])
    starts = starts[starts.isfinite()]
    return 2 * float(starts.max()) if len(starts) else math.inf


def _tensor(values: list[float | None]) -> Tensor:
    return torch.tensor(
        [math.nan if value is None else value for value in values], dtype=torch.float64
    )


def _scale(panel: Axes, means: Tensor) -> None:
    """Limits around what is drawn; a log axis where it spans more than a factor of 3."""
    if not len(means) or float(means.min()) <= 0:
        return
    bottom, top = float(means.min()), float(means.max())
    panel.set_ylim(bottom * 0.85, top * 1.1)
    if top / bottom > 3:
        panel.set_yscale("log")
        plain_ticks(panel, bottom, top)


def plain_ticks(panel: Axes, bottom: float, top: float) -> None:
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    panel.yaxis.set_major_locator(
        LogLocator(subs=(1.0, 2.0, 5.0) if top / bottom < 1e3 else (1.0,))
    )
    panel.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    panel.yaxis.set_minor_formatter(NullFormatter())

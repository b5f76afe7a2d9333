"""Pictures of final values: losses along an axis of tasks, and bars of seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from meta_trainer.evaluation.reporting.curves import BAND, finished, line_styles, plain_ticks

if TYPE_CHECKING:
    from meta_trainer.evaluation.report import Report


def along_axis_png(report: Report) -> bytes:
    """Final losses of every optimizer along the suite's axis; a gap where every start diverged."""
    axis = report.suite.axis
    if axis is None:
        raise ValueError(f"suite {report.suite.name} has no axis")
    figure = Figure(figsize=(7.5, 4.6), dpi=130, layout="constrained")
    panel = figure.subplots()
    for name, style in line_styles(report).items():
        rows = [row for row in report.rows if row.optimizer == name]
        x = np.array([axis.values[row.task] for row in rows])
        means = np.array([row.final.mean for row in rows])
        errors = np.nan_to_num(np.array([row.final.stderr for row in rows]))
        panel.plot(x, means, marker="o", ms=3.5, label=name, **style)
        panel.fill_between(
            x, means - errors, means + errors, color=style["color"], alpha=0.18, lw=0
        )
    panel.set_xticks(sorted(axis.values[task] for task in report.tasks))
    panel.set_xlabel(axis.label)
    panel.set_ylabel("final loss")
    panel.grid(alpha=0.25, lw=0.5, which="both")
    finite = [
        row.final.mean for row in report.rows if np.isfinite(row.final.mean) and row.final.mean > 0
    ]
    if finite and max(finite) / min(finite) > 3:
        panel.set_yscale("log")
        plain_ticks(panel, min(finite), max(finite))
    panel.legend(frameon=False)
    return finished(
        figure, f"{report.suite.title}: {report.dataset}, {report.spec.n_starts} starts, {BAND}"
    )


def along_variants_png(report: Report) -> bytes:
    """Final losses of an ablation's versions along what they vary, a line for each task."""
    versions = list(report.variants)
    x = [report.variants[name].position for name in versions]
    figure = Figure(figsize=(7.5, 4.6), dpi=130, layout="constrained")
    panel = figure.subplots()
    for task in report.tasks:
        of = {row.optimizer: row.final for row in report.of_task(task)}
        means = np.array([of[name].mean for name in versions])
        errors = np.nan_to_num(np.array([of[name].stderr for name in versions]))
        panel.errorbar(x, means, yerr=errors, marker="o", ms=4, capsize=3, label=task)
    panel.set_xticks(x, [report.variants[name].label for name in versions])
    panel.set_ylabel("final loss")
    panel.grid(alpha=0.25, lw=0.5)
    panel.legend(frameon=False)
    return finished(
        figure,
        f"{report.suite.title}: {report.dataset}, {report.spec.n_starts} starts, ± 1 standard error",
    )


def bars_png(report: Report) -> bytes:
    """The mean of every optimizer with its standard error, one panel for each task."""
    tasks, styles = report.tasks, line_styles(report)
    size = (7.5, 1.4 + 0.35 * len(report.rows))
    figure = Figure(figsize=size, dpi=130, layout="constrained")
    for panel, task in zip(figure.subplots(len(tasks), squeeze=False).flat, tasks, strict=True):
        rows = report.of_task(task)
        panel.barh(
            [row.optimizer for row in rows],
            [row.final.mean for row in rows],
            xerr=np.nan_to_num([row.final.stderr for row in rows]),
            color=[styles[row.optimizer]["color"] for row in rows],
        )
        panel.invert_yaxis()
        panel.set_title(task, fontsize=11)
        panel.set_xlabel(report.suite.measure)
        panel.grid(alpha=0.25, lw=0.5, axis="x")
    return finished(figure, report.suite.title)

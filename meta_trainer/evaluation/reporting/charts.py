"""Pictures of final values: losses along an axis of tasks or of versions, and bars of seconds."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from meta_trainer.evaluation.report import Report
from meta_trainer.evaluation.reporting.styles import (
    DPI,
    add_legend,
    choose_styles,
    fill_band,
    set_log_scale,
    set_title,
)

_SIZE = (7.5, 4.6)


def draw_along_axis(report: Report) -> Figure:
    """Final losses of every optimizer along the suite's axis; a gap where every start diverged."""
    axis = report.suite.axis
    if axis is None:
        raise ValueError(f"suite {report.suite.name} has no axis")
    figure = Figure(figsize=_SIZE, dpi=DPI, layout="constrained")
    panel = figure.subplots()
    for name, style in choose_styles(report).items():
        rows = [row for row in report.rows if row.optimizer == name]
        x = np.array([axis.values[row.task] for row in rows])
        means = np.array([row.final.mean for row in rows])
        errors = np.array([row.final.stderr for row in rows])
        panel.plot(x, means, marker="o", markersize=3.5, label=name, **style)
        fill_band(panel, x, means, errors, style)

    panel.set_xticks(sorted(axis.values[task] for task in report.tasks))
    panel.set_xlabel(axis.label)
    panel.set_ylabel("final loss")
    panel.grid(alpha=0.25, linewidth=0.5, which="both")
    all_means = [row.final.mean for row in report.rows]
    finite = [mean for mean in all_means if np.isfinite(mean) and mean > 0]
    if finite and max(finite) / min(finite) > 3:
        set_log_scale(panel, min(finite), max(finite))
    add_legend(figure)
    set_title(figure, report.suite.title)
    return figure


def draw_along_variants(report: Report) -> Figure:
    """Final losses of an ablation's versions along what they vary, a line for each task."""
    versions = list(report.variants)
    x = [report.variants[name].position for name in versions]
    figure = Figure(figsize=_SIZE, dpi=DPI, layout="constrained")
    panel = figure.subplots()
    for task in report.tasks:
        finals = {row.optimizer: row.final for row in report.of_task(task)}
        means = np.array([finals[name].mean for name in versions])
        errors = np.nan_to_num(np.array([finals[name].stderr for name in versions]))
        panel.errorbar(x, means, yerr=errors, marker="o", markersize=4, capsize=3, label=task)

    labels = [report.variants[name].label.replace(" and ", "\nand ") for name in versions]
    panel.set_xticks(x, labels)
    panel.set_ylabel("final loss")
    panel.grid(alpha=0.25, linewidth=0.5)
    panel.legend(frameon=False)
    set_title(figure, report.suite.title)
    return figure


def draw_bars(report: Report) -> Figure:
    """The mean of every optimizer with its standard error, one panel for each task."""
    tasks = report.tasks
    styles = choose_styles(report)
    size = (7.5, 1.4 + 0.35 * len(report.rows))
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    panels = figure.subplots(len(tasks), squeeze=False).flat
    for panel, task in zip(panels, tasks, strict=True):
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
        panel.grid(alpha=0.25, linewidth=0.5, axis="x")
    set_title(figure, report.suite.title)
    return figure

"""Pictures of a study: learning curves, parallel coordinates, importance, and the objective along
one varied field."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from meta_trainer.evaluation.reporting.pictures import Picture
from meta_trainer.evaluation.reporting.styles import render_titled_png
from meta_trainer.specs.domains import DomainSpec
from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.analysis import PointSummary, estimate_importance, summarize_points
from meta_trainer.studies.axes import describe_axis, locate_share, locate_value, set_scale
from meta_trainer.studies.ledger import Ledger, TrialState
from meta_trainer.studies.objective import select_watched_loss

_COLOURS: Final = colormaps["viridis_r"]
_TRIAL_COLOURS: Final = colormaps["tab20"]
_DPI: Final = 130
_ABSENT_HEIGHT: Final = -0.15
"""Where parallel coordinates pass by a field; values lie from 0 to 1."""


def draw_pictures(spec: StudySpec, ledger: Ledger, title: str) -> list[Picture]:
    """Those that there is something to draw for."""
    pictures: list[Picture] = []
    if any(trial.reports for trial in ledger.trials):
        png = draw_curves(spec, ledger, title)
        pictures.append(Picture("curves.png", "Validation loss of every trial by updates", png))

    points = [point for point in summarize_points(spec, ledger) if point.mean is not None]
    if not points:
        return pictures
    png = draw_effects(spec, points, title)
    pictures.append(Picture("effect.png", "Objective by the value of every varied field", png))

    if len(spec.space) > 1:
        png = draw_coordinates(spec, points, title)
        description = "Parallel coordinates of all points, coloured by objective"
        pictures.append(Picture("coordinates.png", description, png))

    importance = estimate_importance(spec, ledger)
    if importance is not None:
        png = draw_importance(importance.shares, title)
        description = "Share of the objective's variation that each field explains"
        pictures.append(Picture("importance.png", description, png))
    return pictures


def draw_curves(spec: StudySpec, ledger: Ledger, title: str) -> bytes:
    """Learning curves of all trials; those that were stopped end with a cross."""
    figure = _make_figure(7.5, 4.6)
    panel = figure.subplots()
    for trial in ledger.trials:
        updates = [report.update for report in trial.reports]
        losses = [_nan_if_infinite(select_watched_loss(spec, report)) for report in trial.reports]
        colour = _TRIAL_COLOURS(trial.point % 20)
        label = f"trial {trial.number}"
        panel.plot(updates, losses, color=colour, lw=1.3, marker=".", ms=4, label=label)
        if trial.state is TrialState.STOPPED and updates:
            panel.plot(updates[-1:], losses[-1:], color=colour, marker="x", ms=8, ls="")
    panel.set_xlabel("updates of Θ")
    panel.set_ylabel("validation loss")
    panel.grid(alpha=0.25, lw=0.5)
    if len(ledger.trials) <= 20:
        panel.legend(frameon=False, fontsize=7, ncols=2)
    return render_titled_png(figure, f"{title}: learning curves, × stopped early")


def draw_effects(spec: StudySpec, points: Sequence[PointSummary], title: str) -> bytes:
    """One panel a field: each point's mean objective ± standard error over its seeds, of
    the points that have the field."""
    figure = _make_figure(min(4.2 * len(spec.space), 16.8), 3.8)
    panels = figure.subplots(1, len(spec.space), squeeze=False).flat
    for panel, (path, domain) in zip(panels, spec.space.items(), strict=True):
        present = [point for point in points if path in point.values]
        positions = [locate_value(domain, point.values[path]) for point in present]
        means = [point.mean for point in present]
        errors = [point.stderr or 0.0 for point in present]
        panel.errorbar(positions, means, errors, fmt="o", ms=4, capsize=3, color="#D55E00")
        set_scale(panel, domain)
        panel.set_xlabel(path)
        panel.grid(alpha=0.25, lw=0.5)
    figure.axes[0].set_ylabel("objective")
    return render_titled_png(figure, f"{title}: mean ± standard error over seeds")


def draw_coordinates(spec: StudySpec, points: Sequence[PointSummary], title: str) -> bytes:
    """Every point as a line through its values; the darker the better. Below the axes it passes by
    the fields that it does not have."""
    n_fields = len(spec.space)
    means = np.array([point.mean for point in points], dtype=float)
    norm = _make_norm(means)
    figure = _make_figure(max(6.0, 2.4 * n_fields), 4.4)
    panel = figure.subplots()

    worst_first = sorted(zip(points, means, strict=True), key=lambda pair: -pair[1])
    for point, mean in worst_first:
        heights = [
            _locate_height(domain, point.values, path) for path, domain in spec.space.items()
        ]
        panel.plot(range(n_fields), heights, color=_COLOURS(norm(mean)), lw=1.6)

    labels = [describe_axis(path, domain) for path, domain in spec.space.items()]
    panel.set_xticks(range(n_fields), labels, fontsize=8)
    has_gaps = any(len(point.values) < n_fields for point in points)
    panel.set_yticks([_ABSENT_HEIGHT] if has_gaps else [], ["absent"] if has_gaps else [])
    panel.set_xlim(-0.1, n_fields - 0.9)
    figure.colorbar(ScalarMappable(norm, _COLOURS), ax=panel, label="objective")
    return render_titled_png(figure, f"{title}: parallel coordinates")


def draw_importance(shares: Mapping[str, float], title: str) -> bytes:
    """One bar a field, the longest at the top."""
    ordered = sorted(shares.items(), key=lambda item: item[1])
    paths = [path for path, _ in ordered]
    lengths = [share for _, share in ordered]
    figure = _make_figure(7.0, 1.4 + 0.4 * len(ordered))
    panel = figure.subplots()
    panel.barh(paths, lengths, color="#0072B2")
    panel.set_xlabel("share of the objective's variation (fANOVA)")
    return render_titled_png(figure, f"{title}: importance")


def _locate_height(domain: DomainSpec, values: Mapping[str, Any], path: str) -> float:
    return locate_share(domain, values[path]) if path in values else _ABSENT_HEIGHT


def _make_figure(width_inches: float, height_inches: float) -> Figure:
    return Figure(figsize=(width_inches, height_inches), dpi=_DPI, layout="constrained")


def _make_norm(means: np.ndarray) -> Normalize:
    """From the lowest mean to the highest; to one more, where they are the same."""
    lowest = means.min()
    highest = means.max()
    return Normalize(lowest, highest if highest > lowest else lowest + 1)


def _nan_if_infinite(value: float) -> float:
    return value if math.isfinite(value) else math.nan

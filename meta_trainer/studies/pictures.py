"""Pictures of a study: learning curves, parallel coordinates, importance, and the objective along
one varied field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from meta_trainer.evaluation.reporting.pictures import Picture
from meta_trainer.evaluation.reporting.styles import render_titled_png
from meta_trainer.specs.domains import ChoiceSpec, LogUniformSpec
from meta_trainer.specs.study import StudySpec
from meta_trainer.studies.analysis import PointSummary, importance, points
from meta_trainer.studies.ledger import Ledger, TrialState
from meta_trainer.studies.objective import watched

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS: Final = colormaps["viridis_r"]
_DPI: Final = 130


def pictures(spec: StudySpec, ledger: Ledger, title: str) -> list[Picture]:
    """Those that there is something to draw for."""
    drawn: list[Picture] = []
    if any(trial.reports for trial in ledger.trials):
        png = curves_png(spec, ledger, title)
        drawn.append(Picture("curves.png", "Validation loss of every trial by updates", png))
    done = [point for point in points(spec, ledger) if point.mean is not None]
    if not done:
        return drawn
    drawn.append(
        Picture(
            "effect.png",
            "Objective by the value of every varied field",
            effect_png(spec, done, title),
        )
    )
    if len(spec.space) > 1:
        png = coordinates_png(spec, done, title)
        drawn.append(
            Picture(
                "coordinates.png", "Parallel coordinates of all points, coloured by objective", png
            )
        )
    if shares := importance(spec, ledger):
        png = importance_png(dict(shares.shares), title)
        drawn.append(
            Picture(
                "importance.png", "Share of the objective's variation that each field explains", png
            )
        )
    return drawn


def curves_png(spec: StudySpec, ledger: Ledger, title: str) -> bytes:
    """Learning curves of all trials; those that were stopped end with a cross."""
    figure = Figure(figsize=(7.5, 4.6), dpi=_DPI, layout="constrained")
    panel = figure.subplots()
    colours = colormaps["tab20"]
    for trial in ledger.trials:
        x = [report.update for report in trial.reports]
        y = [_or_nan(watched(spec, report)) for report in trial.reports]
        colour = colours(trial.point % 20)
        panel.plot(x, y, color=colour, lw=1.3, marker=".", ms=4, label=f"trial {trial.number}")
        if trial.state is TrialState.STOPPED and x:
            panel.plot(x[-1:], y[-1:], color=colour, marker="x", ms=8, ls="")
    panel.set_xlabel("updates of Θ")
    panel.set_ylabel("validation loss")
    panel.grid(alpha=0.25, lw=0.5)
    if len(ledger.trials) <= 20:
        panel.legend(frameon=False, fontsize=7, ncols=2)
    return render_titled_png(figure, f"{title}: learning curves, × stopped early")


def effect_png(spec: StudySpec, done: Sequence[PointSummary], title: str) -> bytes:
    """One panel a field: each point's mean objective ± standard error over its seeds."""
    figure = Figure(figsize=(min(4.2 * len(spec.space), 16.8), 3.8), dpi=_DPI, layout="constrained")
    for panel, path in zip(
        figure.subplots(1, len(spec.space), squeeze=False).flat, spec.space, strict=True
    ):
        x = [_position(spec, path, point.values[path]) for point in done]
        y = [point.mean for point in done]
        errors = [point.stderr or 0.0 for point in done]
        panel.errorbar(x, y, errors, fmt="o", ms=4, capsize=3, color="#D55E00")
        _scale_axis(panel, spec, path)
        panel.set_xlabel(path)
        panel.grid(alpha=0.25, lw=0.5)
    figure.axes[0].set_ylabel("objective")
    return render_titled_png(figure, f"{title}: mean ± standard error over seeds")


def coordinates_png(spec: StudySpec, done: Sequence[PointSummary], title: str) -> bytes:
    """Every point as a line through its values; the darker the better."""
    paths = list(spec.space)
    means = np.array([point.mean for point in done], dtype=float)
    norm = Normalize(means.min(), means.max() if means.max() > means.min() else means.min() + 1)
    figure = Figure(figsize=(max(6.0, 2.4 * len(paths)), 4.4), dpi=_DPI, layout="constrained")
    panel = figure.subplots()
    for point, mean in sorted(zip(done, means, strict=True), key=lambda pair: -pair[1]):
        heights = [_share(spec, path, point.values[path]) for path in paths]
        panel.plot(range(len(paths)), heights, color=_COLOURS(norm(mean)), lw=1.6)
    panel.set_xticks(range(len(paths)), [_axis_label(spec, path) for path in paths], fontsize=8)
    panel.set_yticks([])
    panel.set_xlim(-0.1, len(paths) - 0.9)
    figure.colorbar(ScalarMappable(norm, _COLOURS), ax=panel, label="objective")
    return render_titled_png(figure, f"{title}: parallel coordinates")


def importance_png(shares: dict[str, float], title: str) -> bytes:
    ordered = sorted(shares.items(), key=lambda item: item[1])
    figure = Figure(figsize=(7.0, 1.4 + 0.4 * len(ordered)), dpi=_DPI, layout="constrained")
    panel = figure.subplots()
    panel.barh([path for path, _ in ordered], [share for _, share in ordered], color="#0072B2")
    panel.set_xlabel("share of the objective's variation (fANOVA)")
    return render_titled_png(figure, f"{title}: importance")


def _position(spec: StudySpec, path: str, value: Any) -> float:
    """Where a value lies on its axis: options that are no numbers stand in their order."""
    domain = spec.space[path]
    if isinstance(domain, ChoiceSpec) and not _numeric(domain):
        return float(domain.options.index(value))
    return float(value)


def _numeric(domain: ChoiceSpec) -> bool:
    numbers = all(
        isinstance(option, (int, float)) and not isinstance(option, bool)
        for option in domain.options
    )
    return numbers and not domain.labels


def _scale_axis(panel: Axes, spec: StudySpec, path: str) -> None:
    domain = spec.space[path]
    if isinstance(domain, LogUniformSpec):
        panel.set_xscale("log")
    elif isinstance(domain, ChoiceSpec):
        ticks = [_position(spec, path, option) for option in domain.options]
        panel.set_xticks(ticks, [domain.label(option)[:24] for option in domain.options])


def _share(spec: StudySpec, path: str, value: Any) -> float:
    """The value's place between the ends of its domain, from 0 to 1."""
    domain = spec.space[path]
    if isinstance(domain, ChoiceSpec):
        return float(domain.options.index(value) / (len(domain.options) - 1))
    if isinstance(domain, LogUniformSpec):
        return math.log(value / domain.low) / math.log(domain.high / domain.low)
    return float((value - domain.low) / (domain.high - domain.low))


def _axis_label(spec: StudySpec, path: str) -> str:
    domain = spec.space[path]
    if isinstance(domain, ChoiceSpec):
        return f"{path}\n{domain.label(domain.options[0])[:20]} … {domain.label(domain.options[-1])[:20]}"
    return f"{path}\n{domain.low:g} … {domain.high:g}"


def _or_nan(value: float) -> float:
    return value if math.isfinite(value) else math.nan

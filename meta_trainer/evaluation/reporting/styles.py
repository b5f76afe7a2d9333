"""What all pictures have in common: how optimizers are told apart, ticks, and the file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from meta_trainer.evaluation.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

LEARNED_COLOURS: Final = ("#D55E00", "#CC79A7", "#E69F00", "#000000")
BASELINE_COLOURS: Final = ("#0072B2", "#56B4E9", "#009E73", "#999999", "#F0E442")
"""Okabe and Ito's palette, which colour-blind readers can tell apart; dashes tell apart what
colours alone do not."""
_DASHES: Final = ("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))

DPI: Final = 130
_LEGEND_COLUMNS: Final = 5


def choose_styles(report: Report) -> dict[str, dict[str, Any]]:
    """Optimizer → how its line is drawn: learned ones thick and solid, baselines thin and dashed.
    Starts are not drawn."""
    kinds = {row.optimizer: row.kind for row in report.rows}
    learned = [name for name, kind in kinds.items() if kind == "learned"]
    baselines = [name for name, kind in kinds.items() if kind == "baseline"]
    styles = {name: _style_learned(i) for i, name in enumerate(learned)}
    styles |= {name: _style_baseline(i) for i, name in enumerate(baselines)}
    return {name: styles[name] for name in kinds if name in styles}


def _style_learned(i: int) -> dict[str, Any]:
    n_colours = len(LEARNED_COLOURS)
    dash = "-" if i < n_colours else "--"
    colour = LEARNED_COLOURS[i % n_colours]
    return {"color": colour, "linestyle": dash, "linewidth": 2.0, "zorder": 3}


def _style_baseline(i: int) -> dict[str, Any]:
    colour = BASELINE_COLOURS[i % len(BASELINE_COLOURS)]
    dash = _DASHES[i % len(_DASHES)]
    return {"color": colour, "linestyle": dash, "linewidth": 1.3, "zorder": 2}


def fill_band(
    panel: Axes, x: ArrayLike, means: ArrayLike, errors: ArrayLike, style: Mapping[str, Any]
) -> None:
    """One standard error about the means; faint for baselines, which are many."""
    centre = np.asarray(means)
    half = np.nan_to_num(np.asarray(errors, dtype=float))
    is_learned = style["zorder"] > 2
    alpha = 0.2 if is_learned else 0.08
    colour = style["color"]
    panel.fill_between(x, centre - half, centre + half, color=colour, alpha=alpha, linewidth=0)


def add_legend(figure: Figure) -> None:
    """Below all panels, where it hides nothing."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    n_columns = min(_LEGEND_COLUMNS, len(labels))
    figure.legend(handles, labels, loc="outside lower center", ncols=n_columns, frameon=False)


def set_log_scale(panel: Axes, bottom: float, top: float) -> None:
    """A logarithmic axis for values between these, with plain numbers."""
    panel.set_yscale("log")
    steps = (1.0, 2.0, 5.0) if top / bottom < 1e3 else (1.0,)
    panel.yaxis.set_major_locator(LogLocator(subs=steps))
    panel.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    panel.yaxis.set_minor_formatter(NullFormatter())


def set_title(figure: Figure, title: str) -> None:
    figure.suptitle(title, fontsize=11, parse_math=False)  # a name may have `$` in it


def render_png(figure: Figure) -> bytes:
    """The figure as PNG, without anything that changes from day to day."""
    return _render(figure, "png", {"Software": None})


def render_svg(figure: Figure) -> bytes:
    return _render(figure, "svg", {"Date": None})


def render_pdf(figure: Figure) -> bytes:
    return _render(figure, "pdf", {"CreationDate": None, "Creator": None, "Producer": None})


def _render(figure: Figure, file_format: str, metadata: dict[str, None]) -> bytes:
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "hyperadam"}):  # names of its parts, otherwise drawn at random
        figure.savefig(buffer, format=file_format, metadata=metadata)
    return buffer.getvalue()


def render_titled_png(figure: Figure, title: str) -> bytes:
    """The figure as PNG under a title."""
    set_title(figure, title)
    return render_png(figure)

"""What all pictures have in common: how optimizers are told apart, ticks, and the file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from meta_trainer.evaluation.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEARNED_COLOURS: Final = ("#D55E00", "#CC79A7", "#E69F00", "#000000")
BASELINE_COLOURS: Final = ("#0072B2", "#56B4E9", "#009E73", "#999999", "#F0E442")
"""Okabe and Ito's palette, which colour-blind readers can tell apart; dashes tell apart what
colours alone do not."""
_DASHES: Final = ("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))

BAND: Final = "band ± 1 standard error"
DPI: Final = 130


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
    return {"color": LEARNED_COLOURS[i % n_colours], "ls": dash, "lw": 2.0, "zorder": 3}


def _style_baseline(i: int) -> dict[str, Any]:
    colour = BASELINE_COLOURS[i % len(BASELINE_COLOURS)]
    return {"color": colour, "ls": _DASHES[i % len(_DASHES)], "lw": 1.3, "zorder": 2}


def set_log_scale(panel: Axes, bottom: float, top: float) -> None:
    """A logarithmic axis for values between these, with plain numbers."""
    panel.set_yscale("log")
    steps = (1.0, 2.0, 5.0) if top / bottom < 1e3 else (1.0,)
    panel.yaxis.set_major_locator(LogLocator(subs=steps))
    panel.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    panel.yaxis.set_minor_formatter(NullFormatter())


def set_title(figure: Figure, title: str) -> None:
    figure.suptitle(title, fontsize=11)


def render_png(figure: Figure) -> bytes:
    """The figure as PNG, without anything that changes from day to day."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def render_titled_png(figure: Figure, title: str) -> bytes:
    """The figure as PNG under a title."""
    set_title(figure, title)
    return render_png(figure)

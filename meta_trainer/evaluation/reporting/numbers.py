"""How numbers are written in tables."""

from __future__ import annotations

import math
from collections.abc import Mapping

from meta_trainer.evaluation.statistics import MeanWithError, Verdict


def format_number(value: float) -> str:
    """Four decimals, or in scientific notation where those say little."""
    has_digits = 5e-4 <= abs(value) < 1e4 or not value
    return f"{value:.4f}" if has_digits else f"{value:.2e}"


def format_mean(value: MeanWithError) -> str:
    if math.isnan(value.mean):
        return "diverged"
    mean = format_number(value.mean)
    return mean if math.isnan(value.stderr) else f"{mean} ± {format_number(value.stderr)}"


def format_difference(value: MeanWithError) -> str:
    """With its sign."""
    sign = "+" if value.mean > 0 else ""
    return sign + format_mean(value)


def format_percent(value: MeanWithError) -> str:
    if math.isnan(value.mean):
        return "diverged"
    mean = f"{value.mean:.2%}"
    return mean if math.isnan(value.stderr) else f"{mean} ± {value.stderr:.2%}"


def format_milliseconds(seconds: MeanWithError) -> str:
    return f"{1e3 * seconds.mean:.3f} ± {1e3 * seconds.stderr:.3f} ms"


def format_relative(fraction: float | None) -> str:
    """A difference as a fraction of what it is a difference to; as a factor where it is large."""
    if fraction is None:
        return "–"
    return f"{fraction:+.1%}" if fraction < 10 else f"× {fraction + 1:.3g}"


def format_ratio(ratio: float) -> str:
    """How many times as much."""
    if math.isnan(ratio):
        return "–"
    if math.isinf(ratio):
        return "diverged"
    return f"{ratio:.3f}" if ratio < 10 else f"{ratio:.3g}"


def format_counts(verdicts: Mapping[Verdict, int]) -> str:
    """Won / tied / lost."""
    return f"{verdicts['win']} / {verdicts['tie']} / {verdicts['loss']}"

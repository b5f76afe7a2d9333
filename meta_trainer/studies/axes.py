"""A varied field as the axis of a picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from meta_trainer.specs.domains import ChoiceSpec, DomainSpec, LogUniformSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def locate_value(domain: DomainSpec, value: Any) -> float:
    """Where a value lies on its axis: options that are no numbers stand in their order."""
    if isinstance(domain, ChoiceSpec) and not _is_numeric(domain):
        return float(domain.options.index(value))
    return float(value)


def locate_share(domain: DomainSpec, value: Any) -> float:
    """The value's place between the ends of its domain, from 0 to 1."""
    if isinstance(domain, ChoiceSpec):
        last = len(domain.options) - 1
        return float(domain.options.index(value) / last)
    if isinstance(domain, LogUniformSpec):
        return math.log(value / domain.low) / math.log(domain.high / domain.low)
    return float((value - domain.low) / (domain.high - domain.low))


def set_scale(panel: Axes, domain: DomainSpec) -> None:
    """Scale and ticks of a panel's x axis."""
    if isinstance(domain, LogUniformSpec):
        panel.set_xscale("log")
    elif isinstance(domain, ChoiceSpec):
        positions = [locate_value(domain, option) for option in domain.options]
        labels = [domain.label(option)[:24] for option in domain.options]
        panel.set_xticks(positions, labels)


def describe_axis(path: str, domain: DomainSpec) -> str:
    """The field's path, and below it the ends of its domain."""
    if isinstance(domain, ChoiceSpec):
        first = domain.label(domain.options[0])[:20]
        last = domain.label(domain.options[-1])[:20]
        return f"{path}\n{first} … {last}"
    return f"{path}\n{domain.low:g} … {domain.high:g}"


def _is_numeric(domain: ChoiceSpec) -> bool:
    """Whether the options are numbers, and go by no other names."""
    for option in domain.options:
        is_number = isinstance(option, (int, float)) and not isinstance(option, bool)
        if not is_number:
            return False
    return not domain.labels

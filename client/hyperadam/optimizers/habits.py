"""What people bring along from AdamW that means something else here, and is answered with what to
do: arguments by place or of its own, a decay that is meant beside its rates."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Final

from torch import nn

from hyperadam.optimizers.groups import read_rate
from hyperadam.shipped import pretrained_names

_STRONGEST: Final = 0.005
"""Of the weights, in a step: what takes more was hardly meant. They would halve in 140 steps."""
_ADAMS: Final = 1e-3
"""A rate as AdamW's users have it."""


def explain_theta(theta: object) -> str:
    """What to pass for `theta` instead of what is none."""
    said = f"theta must be a hyperadam.Theta, got {type(theta).__name__}"
    if isinstance(theta, str) and theta in pretrained_names():
        return f"{said}; pass theta=hyperadam.pretrained({theta!r})"
    if isinstance(theta, int | float):
        return f"{said}; a rate is lr={theta!r}, and is best left out: Θ has its own"
    return f"{said}; see hyperadam.Theta.load"


def refuse_module(params: object) -> None:
    """
    Raises:
        TypeError: it is a module, not its parameters.
    """
    if isinstance(params, nn.Module):
        raise TypeError(
            f"params must be parameters, got {type(params).__name__}; pass its parameters()"
        )


def warn_of_strong_decay(groups: Iterable[Mapping[str, Any]], theirs: float) -> None:
    """Warn where a weight decay is given that AdamW would multiply by a rate of a thousandth.

    Args:
        groups: that are new.
        theirs: Θ's weight decay, which is as it was trained.
    """
    for group in groups:
        rate = read_rate(group)
        part = rate.lr * rate.weight_decay
        if part < _STRONGEST or rate.weight_decay == theirs:
            continue
        warnings.warn(
            f"weight_decay={rate.weight_decay:g} takes {part:.2g} of the weights away in each "
            f"step: it is multiplied by lr, which is {rate.lr:g} here. In AdamW it is multiplied "
            f"by a rate of {_ADAMS:g} or so: weight_decay={rate.weight_decay * _ADAMS / rate.lr:g} "
            "does the same here",
            stacklevel=3,
        )
        return

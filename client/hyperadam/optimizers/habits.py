"""What people, and frameworks, bring along from AdamW that means something else here, and is
answered with what to do: arguments by place or of its own, its rates, a decay beside them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from torch import nn

from hyperadam.optimizers.groups import read_number, read_rate
from hyperadam.shipped import pretrained_names

_SHORTEST: Final = 40
"""Times shorter than Θ's own: what is shorter still was hardly meant."""
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


def warn_of_short_steps(groups: Iterable[Mapping[str, Any]], theirs: float) -> bool:
    """Warn where a rate is given as to another optimizer: those of Θ differ by their rules.

    Args:
        groups: that are new.
        theirs: Θ's α.

    Returns:
        Whether it was.
    """
    given = {read_number(group["lr"]) for group in groups}
    short = sorted(lr for lr in given if 0 < lr < theirs / _SHORTEST)
    if short:
        warnings.warn(
            f"lr={short[0]:g} makes steps {theirs / short[0]:.0f} times shorter than those that Θ "
            f"was trained with (lr={theirs:g}). Rates of other optimizers, and of other Θ, are "
            "nothing to go by: leave lr out, or pass a part of Θ's own",
            stacklevel=4,
        )
    return bool(short)


def warn_of_no_rest(groups: Iterable[Mapping[str, Any]]) -> None:
    """Warn where groups are told how long the run is, and it is nothing to them.

    Args:
        groups: that are new.
    """
    if any(group["total_steps"] and not read_rate(group).knows_length for group in groups):
        warnings.warn(
            "total_steps changes nothing: this Θ has no rest at the end of a run. Pass a rest, the "
            "last part of the steps over which the rate falls to 0, such as rest=0.2",
            stacklevel=4,
        )


def warn_of_lost_decay(groups: Sequence[Any], theirs: float) -> None:
    """Warn where every group turns off the weight decay that Θ was trained with, as frameworks do
    that fill in a default of their own.

    Args:
        groups: as they were given to the optimizer.
        theirs: Θ's weight decay.
    """
    are_dicts = bool(groups) and all(isinstance(group, dict) for group in groups)
    if not are_dicts or not theirs:
        return
    if all(read_number(group.get("weight_decay")) == 0 for group in groups):
        warnings.warn(
            f"every group of parameters sets weight_decay=0, and Θ was trained with {theirs:g}. "
            "Frameworks fill in their own default (Hugging Face: pass weight_decay="
            f"{theirs:g} to TrainingArguments). If you mean it, pass weight_decay=0 to the "
            "optimizer",
            stacklevel=3,
        )

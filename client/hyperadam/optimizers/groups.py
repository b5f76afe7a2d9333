"""The groups of a learned optimizer: which rate each has, and what frameworks do to it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from torch import Tensor

from hyperadam.kernels import Pace
from hyperadam.optimizers.layouts import find_decays, find_shares
from hyperadam.optimizers.pieces import find_piece
from hyperadam.rates import KNOBS, Rate, RateOfRun, decay_parts
from hyperadam.shapes import LEAST_DIMENSIONS

_SHORTEST: Final = 40
"""Times shorter than Θ's own: what is shorter still was hardly meant."""


def read_rate(group: Mapping[str, Any]) -> Rate:
    """The rate that a group has now, over its `total_steps` if it knows them. Its fields may be
    numbers of Python, NumPy or torch.

    Raises:
        ValueError: a field is missing or out of its bounds; the message begins with its name.
    """
    if "lr" not in group:
        raise ValueError("lr is missing in a group of parameters")
    names = [name for name in ("lr", *KNOBS) if name in group]
    rate = Rate.from_fields({name: read_number(group[name]) for name in names})
    return rate.over(read_number(group.get("total_steps", 0)))


def find_total_steps(groups: Sequence[Mapping[str, Any]]) -> int:
    """Of a group that is added: the steps that the first one has left; 0 where it does not know."""
    if not groups or not groups[0].get("total_steps"):
        return 0
    n_left: int = groups[0]["total_steps"] - groups[0]["n_steps"]
    return max(1, n_left)


def read_number(value: Any) -> Any:
    """A tensor or an array of one number as a number; anything else as it is."""
    is_one_number = (isinstance(value, Tensor) and value.numel() == 1) or (
        isinstance(value, np.generic | np.ndarray) and value.size == 1
    )
    return value.item() if is_one_number else value


class GroupStep(NamedTuple):
    """What a group does in one step."""

    rate: Rate
    n_steps: int
    """Steps that lie behind the group."""
    parameters: list[Tensor]
    """What is in this process of those that move."""
    shares: list[float] | None
    """What each has of α_t; None: all of it."""
    decays: list[float | Tensor] | None
    """Which part of the weight decay each has; None: all of it."""


def find_moving(groups: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], list[Tensor]]]:
    """Each group with its parameters that have gradients, if any."""
    for group in groups:
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        if parameters:
            yield group, parameters


def take_steps(
    groups: Sequence[dict[str, Any]], watch: ScheduleWatch, *, count_empty: bool
) -> list[GroupStep]:
    """The step of every group that moves, which from now on lies behind it.

    Args:
        groups: of an optimizer.
        watch: is told of every step.
        count_empty: groups without parameters count steps, too: others have their parameters.

    Raises:
        ValueError: a field of a rate is out of its bounds; no step was counted.
    """
    steps = []
    moving = list(find_moving(groups))
    for group, parameters in moving:
        rate = read_rate(group)
        watch.see_step(group, rate)
        shares = find_shares(parameters, rate, group)
        decays = find_decays(parameters, rate, group)
        pieces = list(map(find_piece, parameters))
        steps.append(GroupStep(rate, group["n_steps"], pieces, shares, decays))
    for group, _ in moving:
        group["n_steps"] += 1
    for group in groups:
        if count_empty and not group["params"]:
            group["n_steps"] += 1
    return steps


def decay_rows(steps: Sequence[GroupStep]) -> None:
    """The decay of parameters of which only some rows have it, which `compute_pace` leaves out."""
    for step in steps:
        if step.decays is not None:
            decay_parts(step.parameters, step.rate.retention(step.n_steps), step.decays)


def compute_pace(steps: Sequence[GroupStep]) -> Pace:
    """How far each parameter goes, in the order of the groups."""
    rates: list[float] = []
    retentions: list[float] = []
    for step in steps:
        alpha = step.rate.at(step.n_steps)
        retention = step.rate.retention(step.n_steps)
        ones: list[float] = [1.0] * len(step.parameters)
        rates += [alpha * share for share in step.shares or ones]
        for part in step.decays or ones:
            decays = part if isinstance(part, float) else 0.0
            retentions.append(retention if decays else 1.0)
    return Pace(rates, retentions)


def check_loaded_groups(groups: Sequence[Mapping[str, Any]]) -> None:
    """Refuse groups of a state dict that no optimizer has written.

    Raises:
        ValueError: naming the group and the field.
    """
    for number, group in enumerate(groups):
        try:
            read_rate(group)
        except ValueError as error:
            raise ValueError(f"group {number} of the state dict: {error}") from None
        n_steps = group.get("n_steps", 0)
        is_count = isinstance(n_steps, int) and not isinstance(n_steps, bool) and n_steps >= 0
        if not is_count:
            raise ValueError(
                f"group {number} of the state dict: n_steps must be a whole number of at least 0, "
                f"got {n_steps!r}"
            )
        role = group.get("role")
        if role is not None and role not in LEAST_DIMENSIONS:
            raise ValueError(f"group {number} of the state dict has role {role!r}, which is none")


class ScheduleWatch:
    """Warns once when a scheduler changes the rate of a group that has a schedule of its own, and
    once when a run is longer than it was said to be."""

    def __init__(self) -> None:
        self._has_warned = False
        self._has_ended = False

    def see_step(self, group: Mapping[str, Any], rate: Rate) -> None:
        """To be called in every step, for each group that moves.

        Args:
            group: has `initial_lr` if one of torch's schedulers is on it.
            rate: what the group has now.
        """
        self._see_end(group, rate)
        if self._has_warned or "initial_lr" not in group:
            return
        initial = read_number(group["initial_lr"])
        is_changed = not math.isclose(initial, rate.lr, rel_tol=1e-9)
        has_own = rate.warmup_steps > 1 or rate.decay_after > 0 or isinstance(rate, RateOfRun)
        if not (is_changed and has_own):
            return
        self._has_warned = True
        own = f"warmup_steps={rate.warmup_steps}, decay_after={rate.decay_after}"
        if isinstance(rate, RateOfRun):
            own += f", total_steps={rate.total_steps}"
        warnings.warn(
            f"a scheduler changes lr (from {initial:.3g} to {rate.lr:.3g}), on top of Θ's own "
            f"schedule ({own}): steps get shorter twice. Leave the scheduler out (Hugging Face: "
            "lr_scheduler_type='constant'), or pass warmup_steps=0, decay_after=0 and no "
            "total_steps to the optimizer",
            stacklevel=2,
        )

    def _see_end(self, group: Mapping[str, Any], rate: Rate) -> None:
        if self._has_ended or not isinstance(rate, RateOfRun):
            return
        if group["n_steps"] < rate.total_steps:
            return
        self._has_ended = True
        warnings.warn(
            f"all of total_steps={rate.total_steps} were made: from here on nothing moves. Count "
            "steps of the optimizer, not minibatches or epochs; to go on, set "
            "group['total_steps'] of each group to as many as there will be in all, or to 0",
            stacklevel=2,
        )


def warn_of_short_steps(groups: Iterable[Mapping[str, Any]], theirs: float) -> None:
    """Warn where a rate is given as to another optimizer: those of Θ differ by their rules.

    Args:
        groups: that are new.
        theirs: Θ's α.
    """
    given = {read_number(group["lr"]) for group in groups}
    short = sorted(lr for lr in given if 0 < lr < theirs / _SHORTEST)
    if short:
        warnings.warn(
            f"lr={short[0]:g} makes steps {theirs / short[0]:.0f} times shorter than those that Θ "
            f"was trained with (lr={theirs:g}). Rates of other optimizers, and of other Θ, are "
            "nothing to go by: leave lr out, or pass a part of Θ's own",
            stacklevel=3,
        )


def warn_of_no_rest(groups: Iterable[Mapping[str, Any]]) -> None:
    """Warn where groups are told how long the run is, and have no rest.

    Args:
        groups: that are new.
    """
    if any(group["total_steps"] and not read_number(group["rest"]) for group in groups):
        warnings.warn(
            "total_steps changes nothing: this Θ has no rest at the end of a run. Pass a rest, the "
            "last part of the steps over which the rate falls to 0, such as rest=0.2",
            stacklevel=3,
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

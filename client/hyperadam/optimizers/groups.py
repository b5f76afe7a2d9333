"""The groups of a learned optimizer: which rate each has, and what a step does with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import Tensor

from hyperadam.kernels import Pace
from hyperadam.moves import decay_parts
from hyperadam.optimizers.layouts import find_decays, find_shares
from hyperadam.optimizers.pieces import find_piece
from hyperadam.rates import KNOBS, Rate
from hyperadam.shapes import LEAST_DIMENSIONS

if TYPE_CHECKING:
    from hyperadam.optimizers.schedule_watch import ScheduleWatch


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

"""How many steps a run has: what a trainer knows when it begins, told to a learned optimizer."""

from __future__ import annotations

import warnings

from hyperadam.optimizers import LearnedOptimizer
from hyperadam.optimizers.groups import read_number
from hyperadam.optimizers.habits import warn_of_no_rest
from hyperadam.rates import MOST_STEPS


def tell_length(optimizer: LearnedOptimizer, n_steps: int, n_done: int = 0) -> None:
    """Set `total_steps` of every group to where the trainer will stop.

    A group counts its own steps, so this is what lies behind the group and what the trainer has
    left: n_steps in a run that begins, or goes on from a checkpoint of its own; more in a second
    training with one optimizer.

    - A group that was told the same keeps it. So do those that have sat out some steps of a run
      that goes on: it ends as if it had not been interrupted.
    - What the optimizer was made with stays, if it is not over yet. A warning says both numbers
      where the trainer's is another: minibatches may have been counted in place of steps.
    - What a checkpoint or an earlier training has told gives way, and a warning says so. Where it
      is over, and the trainer begins anew, that is no surprise and there is none.

    Args:
        optimizer: as it is when training begins, its checkpoint loaded.
        n_steps: of the optimizer, that the trainer makes in all.
        n_done: of those, how many lie behind it already; more than 0 where it goes on.
    """
    n_left = n_steps - n_done
    if n_left < 1:
        return

    given = optimizer.defaults.get("total_steps", 0)
    changed = []
    replaced = []
    kept = []
    for group in optimizer.param_groups:
        told = read_number(group["total_steps"])
        made = group["n_steps"]
        end = made + n_left
        is_same = told == end or (told == n_steps and made <= n_done)
        if is_same or end > MOST_STEPS:
            continue
        is_of_its_maker = made == 0 or told == given
        if told > made and is_of_its_maker:
            kept.append((told, end))
            continue
        group["total_steps"] = end
        changed.append(group)
        if told and (n_done or told > made):
            replaced.append((told, end))
    _warn(replaced, kept)
    warn_of_no_rest(changed)


def _warn(replaced: list[tuple[int, int]], kept: list[tuple[int, int]]) -> None:
    """
    Args:
        replaced, kept: of each group that there is something to say of: what it was told, and where
            the trainer stops.
    """
    for told, end in replaced[:1]:
        warnings.warn(
            f"total_steps={told} of the optimizer comes from a checkpoint or an earlier training, "
            f"and the trainer now stops at step {end}: it goes on with total_steps={end}",
            stacklevel=3,
        )
    for told, end in kept[:1]:
        warnings.warn(
            f"the optimizer was made with total_steps={told}, which stays, and the trainer stops "
            f"at its step {end}. Count steps of the optimizer, not minibatches or epochs; or leave "
            "total_steps out, and the trainer tells it",
            stacklevel=3,
        )

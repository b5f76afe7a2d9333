"""What happens to the rates of groups while an optimizer runs, and was hardly meant."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from hyperadam.optimizers.groups import read_number
from hyperadam.optimizers.habits import warn_of_no_rest, warn_of_short_steps
from hyperadam.rates import Rate, RateOfRun


class ScheduleWatch:
    """Warns once when a scheduler changes the rate of a group that has a schedule of its own, once
    when a group begins at a rate of another optimizer, and once when a run is longer than it was
    said to be."""

    def __init__(self, own_lr: float) -> None:
        """
        Args:
            own_lr: Θ's α.
        """
        self._own_lr = own_lr
        self._has_warned = False
        self._has_ended = False
        self._knows_short_steps = False

    def see_new(self, groups: Sequence[Mapping[str, Any]]) -> None:
        """To be called with groups that are new, and their rates given."""
        self._knows_short_steps |= warn_of_short_steps(groups, self._own_lr)
        warn_of_no_rest(groups)

    def see_step(self, group: Mapping[str, Any], rate: Rate) -> None:
        """To be called in every step, for each group that moves.

        Args:
            group: has `initial_lr` if one of torch's schedulers is on it.
            rate: what the group has now.
        """
        if group["n_steps"] == 0 and not self._knows_short_steps:
            peak = _find_peak(group)
            self._knows_short_steps = warn_of_short_steps([{"lr": peak}], self._own_lr)
        self._see_end(group, rate)
        if self._has_warned or "initial_lr" not in group:
            return
        initial = read_number(group["initial_lr"])
        is_changed = not math.isclose(initial, rate.lr, rel_tol=1e-9)
        has_own = rate.n_warmup_steps > 1 or rate.decay_after > 0 or isinstance(rate, RateOfRun)
        if not (is_changed and has_own):
            return
        self._has_warned = True
        own = f"warmup_steps={rate.n_warmup_steps}, decay_after={rate.decay_after}"
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


def _find_peak(group: Mapping[str, Any]) -> float:
    """The largest rate that a group is known to have in the run: of torch's schedulers `OneCycleLR`
    says it; where others begin low, as `CyclicLR` does, it is not known, and ∞."""
    if "max_lr" in group:
        return float(read_number(group["max_lr"]))
    return math.inf if "initial_lr" in group else float(read_number(group["lr"]))

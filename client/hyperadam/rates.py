"""The rate of a learned optimizer: how far a step goes in direction d, at each step and for each
parameter. What is meta-trained, evaluated and deployed has one and the same.

    w_{t+1} = (1 − α_t λ) w_t − α_t share(w) d_t                       t = 0, 1, …
    α_t = α · min(1, (t + 1) / W') · √min(1, D / (t + 1)) · min(1, (N − t) / (R N)) / (1 − R / 2)
    W' = max(W, S N)
    share(w) = min(1, F / fan-in(w)) · min(1, fan-in(w) / G) · min(1, P / places(w))

A rate has three parts:

- a schedule over time: first steps, which know least, are short (W), those of a long run get
  shorter (D), and a run that is told its N steps has a longer warm-up if it is long (S) and comes
  to rest over the last part of them (R);
- shares by shape: a step should not change a sum of many inputs by more than a sum of few (F), as
  in the maximal update parametrization (Yang et al., 2022); the places of a kernel see nearly the
  same (P); and a bias has no other weights beside it that could make up for its step (G);
- a decay, which keeps the weights of a long run from growing: decoupled weight decay (λ; Loshchilov
  and Hutter, 2019).

A new knob is a field of `Rate`, its effect in `at` or `share`, and its name in `RateKnobs`: specs,
files, optimizer groups, command line and reports take theirs from there. N is none: it belongs to a
run, not to a Θ (`Rate.over`).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, Self, TypedDict

import torch
from torch import Tensor

from hyperadam.shapes import fan_in, places

MOST_STEPS: Final = 1_000_000_000
"""Of what may be said in steps of a run."""


def _knob(
    part: Literal["schedule", "share", "decay"],
    symbol: str,
    description: str,
    report: str,
    *,
    largest: float,
    default: float = 0,
) -> Any:
    """A field of `Rate` that 0 turns off.

    Args:
        part: which part of the rate it belongs to.
        symbol: its name in the equations.
        description: one or two sentences, for every reference that lists it.
        report: a sentence for reports; {} is which optimizers have it.
        largest: the upper bound; the lower one is 0.
    """
    metadata = {
        "ge": 0,
        "le": largest,
        "description": f"{symbol}: {description}",
        "part": part,
        "report": report,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """α, its schedule, its shares and its decay, which Θ is trained with, carries and is run with.

    Raises:
        ValueError: a field is out of its bounds or not a number; the message begins with its name.
    """

    lr: float = field(
        metadata={
            "ge": 0,
            "le": sys.float_info.max,
            "description": "α, in units of the parameters per unit of direction.",
        }
    )
    """α, in units of the parameters per unit of direction."""
    warmup_steps: int = _knob(
        "schedule",
        "W",
        "the rate rises linearly over its first W steps; 0 and 1 are no warm-up.",
        "Rates rise linearly over the first steps of {}. ",
        largest=10_000,
    )
    """W, in steps; 0 and 1 are no warm-up."""
    warmup_share: float = _knob(
        "schedule",
        "S",
        "told how many steps a run has, the warm-up is this part of them where that is more than "
        "W; 0, or a W of 0, is never.",
        "Told how long the run is, the warm-up is this part of it where that is more, under {}. ",
        largest=1.0,
        default=0.0,
    )
    """S, a part of a run's steps: the first, over which the rate rises if it is told how many there
    are and that is more than W; 0: never. A W of 0 turns it off, too."""
    decay_after: int = _knob(
        "schedule",
        "D",
        "after so many steps the rate falls as 1/√t; 0 is never.",
        "Rates fall as 1/√t after so many steps of {}. ",
        largest=MOST_STEPS,
    )
    """D, in steps: from here on the rate falls as 1/√t; 0: never."""
    rest: float = _knob(
        "schedule",
        "R",
        "told how many steps a run has, the rate falls linearly to 0 over this part of them, the "
        "last, and is 1 / (1 − R/2) times as large before; 0 is not at all.",
        "Told how long the run is, rates fall linearly to 0 over this last part of it under {}. ",
        largest=1.0,
        default=0.0,
    )
    """R, a part of a run's steps: the last, over which the rate falls to 0 if it is told how many
    there are; 0: never."""
    base_fan_in: int = _knob(
        "share",
        "F",
        "weights of more inputs have F / fan-in of the rate; 0: all of it.",
        "Weights of n inputs, if more than these, have these / n of the rate of {}. ",
        largest=1_000_000_000,
    )
    """F, in inputs: weights of more inputs have a smaller rate; 0: none have."""
    least_fan_in: int = _knob(
        "share",
        "G",
        "parameters of fewer inputs, as biases are, have fan-in / G of the rate; 0: all of it.",
        "Parameters of n inputs, if fewer than these (biases have 1), have n / these of the rate "
        "of {}. ",
        largest=1_000_000,
    )
    """G, in inputs: parameters of fewer, as biases are, have a smaller rate; 0: none have."""
    base_places: int = _knob(
        "share",
        "P",
        "kernels of more places (nine of 3×3) have P / places of the rate; 0: all of it.",
        "Kernels of n places, if more than these, have these / n of the rate of {}. ",
        largest=1_000_000,
    )
    """P, in places: kernels of more places have a smaller rate; 0: none have."""
    weight_decay: float = _knob(
        "decay",
        "λ",
        "decoupled weight decay, w ← (1 − α_t λ) w before each step; 0 is none.",
        "Weights decay, per unit of the rate, by this much of themselves under {}. ",
        largest=1_000.0,
        default=0.0,
    )
    """λ, per unit of α_t; of all parameters alike, whatever their share; 0: none."""

    def __post_init__(self) -> None:
        for name, largest, default in _BOUNDS:
            _check(name, getattr(self, name), largest, default)

    @classmethod
    def from_fields(cls, values: Mapping[str, Any]) -> Self:
        """The rate that stands in a manifest or an optimizer's group, among other entries.

        Args:
            values: has `lr`; knobs that are missing are off, as in files older than they are.

        Raises:
            ValueError: naming the field and its value.
        """
        return cls(**{name: values[name] for name in ("lr", *KNOBS) if name in values})

    def to_fields(self) -> dict[str, float]:
        """The inverse of `from_fields`: α and all knobs by name."""
        return {name: getattr(self, name) for name in ("lr", *KNOBS)}

    @property
    def knows_length(self) -> bool:
        """Whether it is another one over a run whose length it is told."""
        return self.rest > 0 or self.warmup_share > 0

    @property
    def n_warmup_steps(self) -> int:
        """W', the steps over which the rate rises."""
        return self.warmup_steps

    def over(self, total_steps: int) -> Rate:
        """The same over a run of so many steps; 0: it is not known of how many.

        Raises:
            ValueError: it is no whole number of at least 0.
        """
        _check("total_steps", total_steps, MOST_STEPS, 0)
        if not (total_steps and self.knows_length):
            return self
        own: dict[str, Any] = self.to_fields()
        return RateOfRun(**own, total_steps=total_steps)

    def at(self, step: int) -> float:
        """α_t of step t = 0, 1, …, before shares: α min(1, (t + 1) / W') √min(1, D / (t + 1)).

        The warm-up is that of `torch.optim.lr_scheduler.LinearLR`, the decay that of "Attention Is
        All You Need", 2017.

        Args:
            step: t, how many steps lie behind.
        """
        n_steps = step + 1
        alpha = self.lr
        n_warmup_steps = self.n_warmup_steps
        if n_steps < n_warmup_steps:
            alpha = alpha * n_steps / n_warmup_steps
        if 0 < self.decay_after < n_steps:
            alpha *= math.sqrt(self.decay_after / n_steps)
        return alpha

    def retention(self, step: int) -> float:
        """1 − α_t λ: of w, what weight decay leaves in step t."""
        return 1 - self.at(step) * self.weight_decay

    def share(self, shape: Sequence[int]) -> float:
        """Of α_t, what a parameter of this shape has.

        min(1, F / fan-in) · min(1, fan-in / G) · min(1, P / places)
        """
        n_inputs = fan_in(shape)
        n_places = places(shape)
        share = 1.0
        if 0 < self.base_fan_in < n_inputs:
            share = self.base_fan_in / n_inputs
        if n_inputs < self.least_fan_in:
            share *= n_inputs / self.least_fan_in
        if 0 < self.base_places < n_places:
            share = share * self.base_places / n_places
        return share

    @property
    def has_shares(self) -> bool:
        """Whether any parameter has less than all of α_t."""
        return any((self.base_fan_in, self.least_fan_in, self.base_places))

    def shares(self, shapes: Sequence[Sequence[int]] | None, like: Tensor) -> Tensor | None:
        """The same, coordinate by coordinate; shape (p,). None where all are 1.

        Args:
            shapes: of the parameters that lie one after the other in the p coordinates; None: each
                is a number.
            like: gives dtype and device.
        """
        shares = [self.share(shape) for shape in shapes or ()]
        if not shapes or min(shares) == 1:
            return None
        lengths = [math.prod(shape) for shape in shapes]
        rows = zip(lengths, shares, strict=True)
        return torch.cat([like.new_full((length,), share) for length, share in rows])


@dataclass(frozen=True, kw_only=True)
class RateOfRun(Rate):
    """A rate that rises over the first S of N steps, or over W, and comes to rest over the last R:
    see `Rate.over`."""

    total_steps: int
    """N."""

    @property
    def n_warmup_steps(self) -> int:
        """W' = max(W, S N), in whole steps; 0 where W is."""
        if self.warmup_steps == 0:
            return 0
        return max(self.warmup_steps, round(self.warmup_share * self.total_steps))

    def at(self, step: int) -> float:
        """α_t of step t, which in a run of N steps is also times

            min(1, (N − t) / (R N)) / (1 − R / 2)

        and 0 from step N on. The divisor is the mean of what it divides: a constant rate goes as
        far in all as without a rest.
        """
        n_left = max(0, self.total_steps - step)
        share_left = min(1.0, n_left / max(1.0, self.rest * self.total_steps))
        return super().at(step) * share_left / (1 - self.rest / 2)


class RateKnobs(TypedDict, total=False):
    """The fields of a `Rate` beside α, as optimizers take them; None is what Θ says."""

    warmup_steps: int | None
    warmup_share: float | None
    decay_after: int | None
    rest: float | None
    base_fan_in: int | None
    least_fan_in: int | None
    base_places: int | None
    weight_decay: float | None


KNOBS: Final[tuple[str, ...]] = tuple(knob.name for knob in fields(Rate) if knob.name != "lr")
"""The fields of a rate beside α; 0 turns each off."""
_BOUNDS: Final = tuple((knob.name, knob.metadata["le"], knob.default) for knob in fields(Rate))
"""Name, largest value and default of each field: optimizers read a rate in every step."""


def complete_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """What is changed of a rate: a warm-up that is given in steps is meant as it is, and turns
    `warmup_share` off that is not given."""
    is_meant = changes.get("warmup_steps") is not None and changes.get("warmup_share") is None
    return {**changes, "warmup_share": 0.0} if is_meant else dict(changes)


def _check(name: str, value: Any, largest: float, default: Any) -> None:
    is_whole = isinstance(default, int)
    accepted = int if is_whole else (int, float)
    in_bounds = (
        isinstance(value, accepted) and not isinstance(value, bool) and 0 <= value <= largest
    )
    if in_bounds:
        return
    if name == "lr":
        raise ValueError(f"lr must be a finite number of at least 0, got {value!r}")
    kind = "whole number" if is_whole else "number"
    raise ValueError(f"{name} must be a {kind} from 0 to {largest:.10g}, got {value!r}")

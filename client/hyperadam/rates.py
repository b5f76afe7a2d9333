"""The rate of a learned optimizer, step by step and weight by weight: what is deployed, evaluated and meta-trained has
one and the same.

    α_t(w) = α · min(1, (t + 1) / W) · √min(1, D / (t + 1)) · min(1, F / fan-in(w))        t = 0, 1, …

Directions have the same length at every step and for every weight. So three things are left to the rate: that first
steps, which know least, are short (W); that a long run comes to rest (D); and that a step does not change a sum of many
inputs by more than it would a sum of few (F), as in the maximal update parametrization (Yang et al., 2022).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

MAX_WARMUP_STEPS: Final = 10_000
MAX_DECAY_AFTER: Final = 1_000_000_000
MAX_BASE_FAN_IN: Final = 1_000_000_000

_LIMITS: Final = {"warmup_steps": MAX_WARMUP_STEPS, "decay_after": MAX_DECAY_AFTER, "base_fan_in": MAX_BASE_FAN_IN}


class Rate(NamedTuple):
    """α and its schedule, which Θ is trained with, carries along and is run with."""

    lr: float
    """α, in units of the parameters per unit of direction."""
    warmup_steps: int = 0
    """W, in steps; 0 and 1 are no warm-up."""
    decay_after: int = 0
    """D, in steps: from here on the rate falls as 1/√t; 0: never."""
    base_fan_in: int = 0
    """F, in inputs: weights of more inputs have a smaller rate; 0: none have."""

    def at(self, step: int) -> float:
        """α_t of step t = 0, 1, …, for weights of at most F inputs: α min(1, (t + 1) / W) √min(1, D / (t + 1)).

        The warm-up is that of `torch.optim.lr_scheduler.LinearLR`, the decay that of "Attention Is All You Need", 2017.

        Args:
            step: t, how many steps lie behind.
        """
        n = step + 1
        lr = self.lr * n / self.warmup_steps if n < self.warmup_steps else self.lr
        return lr * math.sqrt(self.decay_after / n) if 0 < self.decay_after < n else lr

    def share(self, fan_in: int) -> float:
        """Of α_t, what a weight of so many inputs has: min(1, F / fan-in)."""
        return self.base_fan_in / fan_in if 0 < self.base_fan_in < fan_in else 1.0

    def shares(self, fan_ins: Tensor | None, like: Tensor) -> Tensor | None:
        """The same, coordinate by coordinate; None where all are 1.

        Args:
            fan_ins: shape (p,); None: no coordinate is the weight of a sum.
            like: gives dtype and device.
        """
        if fan_ins is None or not self.base_fan_in or int(fan_ins.max()) <= self.base_fan_in:
            return None
        return (self.base_fan_in / fan_ins.double()).clamp(max=1).to(like)


SCHEDULE: Final = Rate._fields[1:]
"""The fields of a rate beside α: all are whole numbers, and 0 turns each off."""


def fan_in(shape: Sequence[int]) -> int:
    """How many inputs a parameter of this shape weighs in each of its sums, as in `torch.nn.init`: of a matrix (out,
    in) its columns, of a kernel (out, in, …) its channels times its places, and 1 of a bias or a scale."""
    return max(1, math.prod(shape[1:]))


def fan_ins(shapes: Sequence[Sequence[int]]) -> Tensor:
    """`fan_in` of every coordinate of parameters of these shapes, one after the other; shape (p,), int64."""
    return torch.cat([torch.full((math.prod(shape),), fan_in(shape)) for shape in shapes])


def check_schedule(values: Mapping[str, Any]) -> None:
    """Refuse what is no schedule.

    Raises:
        ValueError: naming the field and the value.
    """
    for name, limit in _LIMITS.items():
        value = values[name]
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= limit:
            raise ValueError(f"{name} must be a whole number from 0 to {limit}, got {value!r}")

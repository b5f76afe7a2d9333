"""The rate of a learned optimizer, step by step and weight by weight: what is deployed, evaluated
and meta-trained has one and the same.

    w_{t+1} = (1 − α_t λ) w_t − α_t share(w) d_t                       t = 0, 1, …
    α_t = α · min(1, (t + 1) / W) · √min(1, D / (t + 1))
    share(w) = min(1, F / fan-in(w)) · min(1, fan-in(w) / G) · min(1, P / places(w))

Directions have the same length at every step and for every weight. So the rest is left to the rate:
that first steps, which know least, are short (W); that a long run comes to rest (D); that a step
does not change a sum of many inputs by more than it would a sum of few (F), as in the maximal
update parametrization (Yang et al., 2022); that neither do those of a kernel, whose places see
nearly the same (P), nor a bias or the weight of a single input, behind which no others stand that
could make up for it (G). Beside it stands what keeps the weights of a long run from growing:
decoupled weight decay (λ; Loshchilov and Hutter, 2019).
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
MAX_LEAST_FAN_IN: Final = 1_000_000
MAX_BASE_PLACES: Final = 1_000_000
MAX_WEIGHT_DECAY: Final = 1_000.0

_LIMITS: Final = {
    "warmup_steps": MAX_WARMUP_STEPS,
    "decay_after": MAX_DECAY_AFTER,
    "base_fan_in": MAX_BASE_FAN_IN,
    "least_fan_in": MAX_LEAST_FAN_IN,
    "base_places": MAX_BASE_PLACES,
}


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
    least_fan_in: int = 0
    """G, in inputs: parameters of fewer, as biases are, have a smaller rate; 0: none have."""
    base_places: int = 0
    """P, in places: kernels of more places have a smaller rate; 0: none have."""
    weight_decay: float = 0.0
    """λ, per unit of α_t; of all parameters alike, whatever their share; 0: none."""

    def at(self, step: int) -> float:
        """α_t of step t = 0, 1, …, before shares: α min(1, (t + 1) / W) √min(1, D / (t + 1)).

        The warm-up is that of `torch.optim.lr_scheduler.LinearLR`, the decay that of "Attention Is
        All You Need", 2017.

        Args:
            step: t, how many steps lie behind.
        """
        n = step + 1
        lr = self.lr * n / self.warmup_steps if n < self.warmup_steps else self.lr
        return lr * math.sqrt(self.decay_after / n) if 0 < self.decay_after < n else lr

    def kept(self, step: int) -> float:
        """1 − α_t λ: of w, what weight decay leaves in step t."""
        return 1 - self.at(step) * self.weight_decay

    def share(self, shape: Sequence[int]) -> float:
        """Of α_t, what a parameter of this shape has: min(1, F / fan-in) min(1, fan-in / G) min(1,
        P / places)."""
        n_inputs, n_places = fan_in(shape), places(shape)
        share = self.base_fan_in / n_inputs if 0 < self.base_fan_in < n_inputs else 1.0
        share *= n_inputs / self.least_fan_in if n_inputs < self.least_fan_in else 1.0
        return share * self.base_places / n_places if 0 < self.base_places < n_places else share

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
        return torch.cat(
            [like.new_full((math.prod(s),), share) for s, share in zip(shapes, shares, strict=True)]
        )


SCHEDULE: Final = Rate._fields[1:]
"""The fields of a rate beside α; 0 turns each off."""


def fan_in(shape: Sequence[int]) -> int:
    """How many inputs a parameter of this shape weighs in each of its sums, as in `torch.nn.init`:
    of a matrix (out, in) its columns, of a kernel (out, in, …) its channels times its places, and 1
    of a bias or a scale."""
    return max(1, math.prod(shape[1:]))


def places(shape: Sequence[int]) -> int:
    """From how many places a parameter of this shape takes each channel: 9 of a kernel (out, in, 3,
    3), 1 of a matrix, a bias or a scale."""
    return max(1, math.prod(shape[2:]))


def check_schedule(values: Mapping[str, Any]) -> None:
    """Refuse what is no schedule.

    Raises:
        ValueError: naming the field and the value.
    """
    for name, limit in _LIMITS.items():
        value = values[name]
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= limit:
            raise ValueError(f"{name} must be a whole number from 0 to {limit}, got {value!r}")
    decay = values["weight_decay"]
    if (
        isinstance(decay, bool)
        or not isinstance(decay, int | float)
        or not 0 <= decay <= MAX_WEIGHT_DECAY
    ):
        raise ValueError(
            f"weight_decay must be a number from 0 to {MAX_WEIGHT_DECAY:g}, got {decay!r}"
        )

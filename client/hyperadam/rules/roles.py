"""What a rule with its cells a tensor is told of a tensor: what its shape says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from hyperadam.shapes import fan_in

ROLES: Final = ("matrix", "stack", "kernel", "vector")
N_TRAITS: Final = 1 + len(ROLES)


def describe_traits(shape: Sequence[int]) -> list[float]:
    """log fan-in, and 1 for the tensor's role; (5,)."""
    role = find_role(shape)
    inputs = fan_in(shape[-2:] if role == "stack" else shape)
    return [math.log(inputs), *(float(role == name) for name in ROLES)]


def find_role(shape: Sequence[int]) -> str:
    """Which of `ROLES` a parameter of this shape has.

    The matrices of a stack lie along its first dimension: weights of a batch of layers, positions
    of tokens.
    """
    roles = {0: "vector", 1: "vector", 2: "matrix", 3: "stack"}
    return roles.get(len(shape), "kernel")

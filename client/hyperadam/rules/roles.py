"""What a rule with its cells a tensor is told of a tensor: what its shape says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from hyperadam.shapes import fan_in, fan_out

ROLES: Final = ("matrix", "stack", "kernel", "vector")
N_TRAITS: Final = 1 + len(ROLES)
N_SURROUNDINGS: Final = 5


def describe_traits(shape: Sequence[int]) -> list[float]:
    """log fan-in, and 1 for the tensor's role; (5,)."""
    role = find_role(shape)
    inputs = fan_in(_find_unit(shape))
    return [math.log(inputs), *(float(role == name) for name in ROLES)]


def describe_surroundings(
    shapes: Sequence[Sequence[int]],
    start_rms: Tensor,  # shape: (1, *batch, k)
    log_gain: Tensor,  # shape: (1, *batch, k)
) -> Tensor:
    """What a tensor is told of itself and of the k tensors of its network.

    Of itself, its log fan-out, and whether it is a scale: a vector that does not start at 0, as
    those of norms do. Of the network, which part of its tensors are scales, log k, and the mean
    log gain of its matrices, stacks and kernels.

    Args:
        shapes: of the tensors.
        start_rms: ⟨w_0²⟩^½ of each.
        log_gain: of each; 0 where steps are not relative.

    Returns:
        Each of about the size of 1; shape (5, *batch, k).
    """
    like = torch.ones_like(start_rms)
    roles = [find_role(shape) for shape in shapes]
    outputs = [float(fan_out(_find_unit(shape))) for shape in shapes]
    is_vector = torch.tensor([role == "vector" for role in roles], device=like.device)
    log_outputs = like.new_tensor(outputs).log() * like

    starts = start_rms > 0
    is_scale = (starts & is_vector).to(like.dtype)
    is_relative = (starts & ~is_vector).to(like.dtype)
    n_relative = is_relative.sum(-1, keepdim=True).clamp(min=1)
    mean_gain = log_gain.sum(-1, keepdim=True) / n_relative
    return torch.cat(
        [
            log_outputs / 5 - 0.7,
            is_scale,
            is_scale.mean(-1, keepdim=True) * like,
            (math.log(max(1, len(shapes))) / 2 - 1) * like,
            mean_gain / 2 * like,
        ]
    )


def _find_unit(shape: Sequence[int]) -> Sequence[int]:
    """What a tensor is of which all sums are alike: of a stack one matrix."""
    return shape[-2:] if find_role(shape) == "stack" else shape


def find_role(shape: Sequence[int]) -> str:
    """Which of `ROLES` a parameter of this shape has.

    The matrices of a stack lie along its first dimension: weights of a batch of layers, positions
    of tokens.
    """
    roles = {0: "vector", 1: "vector", 2: "matrix", 3: "stack"}
    return roles.get(len(shape), "kernel")

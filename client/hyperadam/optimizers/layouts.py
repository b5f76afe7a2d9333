"""Which part of a group's rate and of its decay each of its parameters has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hyperadam.rates import Rate
from hyperadam.shapes import is_vector, swap_ends


def find_shares(
    parameters: Sequence[Tensor], rate: Rate, group: Mapping[str, Any]
) -> list[float] | None:
    """What each parameter has of α_t; None where all have all.

    Args:
        group: has `transposed`: its weights are stored (in, out, …).
    """
    if not rate.has_shares:
        return None
    shapes = [parameter.shape for parameter in parameters]
    if group["transposed"]:
        shapes = [torch.Size(swap_ends(shape)) for shape in shapes]
    shares = [rate.share(shape) for shape in shapes]
    return shares if min(shares) < 1 else None


def find_decays(
    parameters: Sequence[Tensor], rate: Rate, group: Mapping[str, Any]
) -> list[float | Tensor] | None:
    """Which part of the weight decay each parameter has; None where all have all.

    Vectors have none: biases and scales are not large because a run is long. Of a matrix, rows
    without a gradient have none: embeddings of what was not seen stay as they are.

    Args:
        group: has `decay_all`: every parameter decays as a whole.
    """
    if group["decay_all"] or not rate.weight_decay:
        return None
    return [_find_decay(parameter) for parameter in parameters]


def _find_decay(parameter: Tensor) -> float | Tensor:
    if is_vector(parameter.shape):
        return 0.0
    gradient = parameter.grad
    if parameter.dim() != 2 or gradient is None:
        return 1.0
    has_gradient = torch.linalg.vector_norm(gradient, ord=torch.inf, dim=1, keepdim=True) > 0
    return 1.0 if bool(has_gradient.all()) else has_gradient.to(parameter.dtype)

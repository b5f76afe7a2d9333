"""What the parameters of a group are, and which part of its rate and of its decay each has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hyperadam.optimizers.pieces import find_gradient, find_piece, list_groups
from hyperadam.rates import Rate
from hyperadam.shapes import is_vector, read_shape


def read_shapes(parameters: Sequence[Tensor], group: Mapping[str, Any]) -> list[tuple[int, ...]]:
    """The shape of each parameter as its group says that it is to be read.

    Args:
        parameters: some of the group's.
        group: has `role` and `transposed`; see `hyperadam.shapes.read_shape`.
    """
    role = group["role"]
    transposed = group["transposed"]
    return [read_shape(parameter.shape, role, transposed=transposed) for parameter in parameters]


def find_shares(
    parameters: Sequence[Tensor], rate: Rate, group: Mapping[str, Any]
) -> list[float] | None:
    """What each parameter has of α_t; None where all have all.

    Args:
        group: has `role` and `transposed`; a matrix of a stack has the share that it has alone.
    """
    if not rate.has_shares:
        return None
    shapes = read_shapes(parameters, group)
    if group["role"] == "stack":
        shapes = [shape[-2:] for shape in shapes]
    shares = [rate.share(shape) for shape in shapes]
    return shares if min(shares) < 1 else None


def find_decays(
    parameters: Sequence[Tensor], rate: Rate, group: Mapping[str, Any]
) -> list[float | Tensor] | None:
    """Which part of the weight decay each parameter has; None where all have all.

    Vectors have none: biases and scales are not large because a run is long. Of a matrix, rows
    without a gradient have none: embeddings of what was not seen stay as they are.

    Args:
        group: has `decay_all`: every parameter decays as a whole; `role` and `transposed`.
    """
    if group["decay_all"] or not rate.weight_decay:
        return None
    shapes = read_shapes(parameters, group)
    pairs = zip(parameters, shapes, strict=True)
    return [0.0 if is_vector(shape) else _find_decay(parameter) for parameter, shape in pairs]


def _find_decay(parameter: Tensor) -> float | Tensor:
    """1, 0, or a column of them: one for each row that is in this process, of as many dimensions as
    the piece."""
    if parameter.dim() != 2 or parameter.grad is None:
        return 1.0
    has_gradient = _find_largest_in_rows(parameter) > 0
    if bool(has_gradient.all()):
        return 1.0
    piece = find_piece(parameter)
    return has_gradient.to(piece.dtype).view(-1, *[1] * (piece.dim() - 1))


def _find_largest_in_rows(parameter: Tensor) -> Tensor:
    """Of the gradient's coordinates, in absolute value; shape (rows in this process, 1)."""
    gradient = find_gradient(parameter).flatten(1)
    largest = gradient.new_zeros(len(gradient), 1)
    if gradient.shape[1]:
        torch.linalg.vector_norm(gradient, ord=torch.inf, dim=1, keepdim=True, out=largest)
    for group in list_groups(parameter, dims=[1]):
        import torch.distributed as dist

        dist.all_reduce(largest, op=dist.ReduceOp.MAX, group=group)
    return largest

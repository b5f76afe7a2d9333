"""From numbers a coordinate to numbers a tensor, and back.

The tensors of a learner lie one after the other in its p coordinates; `lengths` says how many
coordinates each has.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def average_over_tensors(
    x: Tensor,  # shape: (n, *batch, p)
    lengths: Sequence[int],
) -> Tensor:
    """The mean over each tensor's coordinates, 0 of an empty one; shape (n, *batch, k)."""
    if len(lengths) == 1:
        return x.sum(-1, keepdim=True) / max(1, lengths[0])
    sums = torch.stack([part.sum(-1) for part in x.split(list(lengths), -1)], -1)
    return sums / torch.tensor([max(1, length) for length in lengths]).to(sums)


def spread_over_tensors(
    x: Tensor,  # shape: (n, *batch, k)
    lengths: Sequence[int],
) -> Tensor:
    """Each tensor's number for each of its coordinates; shape (n, *batch, p)."""
    if len(lengths) == 1:
        return x.expand(*x.shape[:-1], lengths[0])
    columns = x.split(1, -1)
    pairs = zip(columns, lengths, strict=True)
    return torch.cat([column.expand(*x.shape[:-1], length) for column, length in pairs], -1)


def check_lengths(lengths: Sequence[int], p: int) -> None:
    """Together they are p.

    Raises:
        ValueError: they are not.
    """
    if sum(lengths) != p:
        raise ValueError(f"shapes have {sum(lengths)} coordinates, w has {p}")


def count_coordinates(
    digits: Tensor,  # shape: (2, k)
    base: int,
) -> list[int]:
    """The lengths, from quotient and rest by `base`."""
    quotients, rests = digits.tolist()
    pairs = zip(quotients, rests, strict=True)
    return [round(quotient) * base + round(rest) for quotient, rest in pairs]

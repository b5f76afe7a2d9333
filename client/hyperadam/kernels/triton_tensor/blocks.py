"""How the coordinates of tensors are cut into blocks, none of which lies in two tensors. (Triton is
not needed here.)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor


class Blocks(NamedTuple):
    """Of the p coordinates of one learner; int64, on one device."""

    tensors: Tensor
    """Which tensor each block is of; shape (n_blocks,)."""
    begins: Tensor
    """Its first coordinate; shape (n_blocks,)."""
    ends: Tensor
    """The coordinate after the last of each tensor; shape (k,)."""
    firsts: Tensor
    """The first block of each tensor, and how many there are in all; shape (k + 1,)."""

    @classmethod
    def cut(cls, lengths: Sequence[int], block: int, device: torch.device) -> Self:
        """Blocks of `block` coordinates; the last one of a tensor may have fewer."""
        sizes = torch.tensor(lengths, dtype=torch.int64)
        ends = sizes.cumsum(0)
        counts = -(-sizes // block)
        last_blocks = counts.cumsum(0)
        tensors = torch.repeat_interleave(torch.arange(len(sizes)), counts)
        numbers = torch.arange(len(tensors)) - (last_blocks - counts)[tensors]
        begins = (ends - sizes)[tensors] + numbers * block
        firsts = torch.cat([torch.zeros(1, dtype=torch.int64), last_blocks])
        return cls(*(part.to(device) for part in (tensors, begins, ends, firsts)))

    @property
    def n_blocks(self) -> int:
        return len(self.tensors)

    @property
    def n_tensors(self) -> int:
        return len(self.ends)

"""What the kernels are launched with, as named tuples: a kernel reads a field as it would read an
argument of its own. (Triton is not needed here.)"""

from __future__ import annotations

from typing import NamedTuple, Self

from torch import Tensor

from hyperadam.rules import HyperAdamState


class Sizes(NamedTuple):
    """Of the learners of a launch, and of the blocks that they are cut into."""

    p: int
    """Coordinates of one learner."""
    n: int
    """Coordinates of all of them."""
    n_learners: int
    n_blocks: int
    """Of one learner."""

    @classmethod
    def of(cls, n_learners: int, p: int, block: int) -> Self:
        """Blocks are of `block` coordinates."""
        return cls(p=p, n=n_learners * p, n_learners=n_learners, n_blocks=-(-p // block))


class TapeStep(NamedTuple):
    """Step t, as a tape has kept it."""

    gradient: Tensor
    """g_t, shape (L, p)."""
    state: HyperAdamState
    """Of step t − 1; fields of shape (J, L, p)."""
    hidden: Tensor
    """s_t, shape (J, L, p)."""
    scales: Tensor
    """One over the norms of g_t, s_t and m_{t−1}, shape (L, 1 + 2 J)."""

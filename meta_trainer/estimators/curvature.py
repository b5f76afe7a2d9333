"""Products with the Hessians that a period's gradients have, asked for from its last step to its
first.

H_{t−1} ḡ_t at w_{t−1} goes through the very graph that ∇L(w_{t−1}) was made by on the way forward.
Kept until the way back, a step of a small network costs two thirds of what it does where that graph
is made again. It takes up to 8 MB a step of a tiny learner, and more of large ones. So the graphs
of the last steps are kept, as many as `MEMORY_BYTES` holds; those of the first are made again. The
numbers are the same.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from meta_trainer.learners import LossExpansion
from meta_trainer.tasks.optimizees import Optimizee
from meta_trainer.unrolls.episodes import LossAndGradient, isolate_diverged, measure_learners

MEMORY_BYTES: Final = 2**29
"""For the graphs of one period of one chunk of learners."""


class Curvature:
    """The Hessians of the losses whose gradients move the learners of a period."""

    def __init__(self, optimizee: Optimizee, steps: range, memory_bytes: int = MEMORY_BYTES):
        """
        Args:
            steps: those whose Hessians will be asked for, in the order in which they are measured.
            memory_bytes: how much may be kept.
        """
        self._optimizee = optimizee
        self._steps = steps
        self._memory_bytes = memory_bytes
        self._first_kept: int | None = None
        self._kept: dict[int, LossExpansion] = {}

    @property
    def n_kept(self) -> int:
        """Steps that are not expanded again."""
        return len(self._kept)

    def measure(
        self,
        w: Tensor,  # shape: (L, p)
        step: int,
        diverged: Tensor,  # shape: (L,)
    ) -> LossAndGradient:
        """As `measure_learners`, remembering what the way back needs."""
        if not self._is_kept(w, step):
            return measure_learners(self._optimizee, w, step, diverged)
        expansion = self._optimizee.expand_losses(w, step)
        self._kept[step] = expansion
        return isolate_diverged(expansion.losses, expansion.gradients, diverged)

    def multiply(
        self,
        w: Tensor,  # shape: (L, p)
        step: int,
        vectors: Tensor,  # shape: (L, p)
    ) -> Tensor:
        """H v at w on the minibatch of `step`, shape (L, p); each step once."""
        expansion = self._kept.pop(step, None)
        if expansion is None:
            expansion = self._optimizee.expand_losses(w, step)
        return expansion.multiply(vectors)

    def _is_kept(self, w: Tensor, step: int) -> bool:
        if step not in self._steps:
            return False
        if self._first_kept is None:
            n_bytes = count_bytes(self._optimizee, w, step)
            n_steps = self._memory_bytes // max(n_bytes, 1)
            self._first_kept = self._steps.stop - n_steps
        return step >= self._first_kept


def count_bytes(optimizee: Optimizee, w: Tensor, step: int) -> int:
    """What an expansion at w keeps in memory: each tensor's storage once."""
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        expansion = optimizee.expand_losses(w, step)
    for tensor in expansion.kept:
        note(tensor)
    return sum(sizes.values())

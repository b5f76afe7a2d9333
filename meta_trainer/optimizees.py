"""Optimizees: the losses that an optimizer minimises, for L learners side by side, step by step.

An optimizee knows its starts and, for any step, the loss and gradient of every learner on that step's minibatch. All of
it follows from seeds, so that an optimizee can be made anew for every period, in any process. The training tricks of
the paper's Section 4 wrap one optimizee in another (`meta_trainer.tricks`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from meta_trainer.datasets import Dataset
from meta_trainer.learners import Learner
from meta_trainer.seeds import generator


class Optimizee(ABC):
    """L losses over p coordinates each. Steps count from 0: step t is evaluated at w_t."""

    @abstractmethod
    def start(self) -> Tensor:
        """w_0, shape (L, p)."""

    @abstractmethod
    def losses(self, w: Tensor, step: int) -> Tensor:
        """Losses (L,) of w (L, p) on the minibatch of `step`, detached."""

    @abstractmethod
    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Losses (L,) and gradients (L, p) of w (L, p) on the minibatch of `step`, detached."""

    def final_losses(self, w: Tensor, n_steps: int) -> Tensor:
        """Mean loss of w (L, p) over the minibatches of steps 0 … n_steps − 1: the paper's "final loss"; shape (L,)."""
        total = torch.zeros(w.shape[0], dtype=torch.float64)
        for step in range(n_steps):
            total += self.losses(w, step)
        return total / n_steps


@dataclass(frozen=True, eq=False)
class Classification(Optimizee):
    """Learners of one shape on random minibatches of one dataset.

    Start and minibatch of learner i at step t are drawn from (seed, purpose, indices[i], t): two optimizees with the
    same seed and purpose are paired, whatever optimizer runs on them and however the learners are batched.
    """

    learner: Learner
    dataset: Dataset
    seed: int
    purpose: str
    indices: Sequence[tuple[int, ...]]
    """The name of each learner within the purpose; L of them."""
    batch_size: int = 128
    init_std: float = 0.1
    dtype: torch.dtype = torch.float32

    def start(self) -> Tensor:
        generators = [generator(self.seed, f"{self.purpose}/start", *index) for index in self.indices]
        return self.learner.start(generators, self.init_std, self.dtype)

    def losses(self, w: Tensor, step: int) -> Tensor:
        with torch.no_grad():
            return self.learner.losses(w, *self._minibatch(step))

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        return self.learner.losses_and_gradients(w, *self._minibatch(step))

    def _minibatch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs (L, batch, n_features) and targets (L, batch)."""
        name, n = f"{self.purpose}/minibatch", len(self.dataset)
        draws = [
            torch.randint(n, (self.batch_size,), generator=generator(self.seed, name, *index, step))
            for index in self.indices
        ]
        return self.dataset.minibatch(torch.stack(draws), self.dtype)

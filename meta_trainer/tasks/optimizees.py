"""Optimizees: the losses that an optimizer minimises, for L learners side by side, step by step.

An optimizee knows its starts and, for any step, the loss and gradient of every learner on that
step's minibatch. All of it follows from seeds, so that an optimizee can be made anew for every
period, in any process. The training tricks of the paper's Section 4 wrap one optimizee in another
(`meta_trainer.tasks.tricks`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from meta_trainer.datasets import Data, Dataset
from meta_trainer.learners import Learner, LossExpansion, Shapes
from meta_trainer.seeds import make_generator


class Optimizee(ABC):
    """L losses over p coordinates each. Steps count from 0: step t is evaluated at w_t."""

    @abstractmethod
    def start(self) -> Tensor:
        """w_0, shape (L, p)."""

    @property
    def shapes(self) -> Shapes | None:
        """Shapes of the parameters that make up the p coordinates (`hyperadam.rates`). None: each
        coordinate is a parameter by itself."""
        return None

    @abstractmethod
    def losses(self, w: Tensor, step: int) -> Tensor:
        """Losses (L,) of w (L, p) on the minibatch of `step`, detached."""

    @abstractmethod
    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Losses (L,) and gradients (L, p) of w (L, p) on the minibatch of `step`, detached."""

    def expand_losses(self, w: Tensor, step: int) -> LossExpansion:
        """The losses around w (L, p) on the minibatch of `step`, with products with the Hessian of
        each learner. Asked for by back-propagation of second order."""
        raise NotImplementedError(f"{type(self).__name__} has no second derivatives")

    def final_losses(self, w: Tensor, n_steps: int) -> Tensor:
        """Mean loss of w (L, p) over the minibatches of steps 0 … n_steps − 1: the paper's "final
        loss"; shape (L,)."""
        total = torch.zeros(w.shape[0], dtype=torch.float64)
        for step in range(n_steps):
            total += self.losses(w, step)
        return total / n_steps


@dataclass(frozen=True, eq=False)
class Supervised(Optimizee):
    """Learners of one shape on random minibatches of the same data.

    Start, minibatch and dropout mask of learner i at step t are drawn from (seed, purpose,
    indices[i], t): two optimizees with the same seed and purpose are paired, whatever optimizer
    runs on them and however the learners are batched.

    The loss of step t is that of its minibatch and its mask, whenever it is asked for. So the final
    loss of a learner with dropout is taken with the masks of its run: the mean of the very
    functions that were minimised, as it is of the very minibatches. (The paper is silent here.)
    """

    learner: Learner
    dataset: Data
    seed: int
    purpose: str
    indices: Sequence[tuple[int, ...]]
    """The name of each learner within the purpose; L of them."""
    batch_size: int = 128
    init_std: float | tuple[float, ...] = 0.1
    """One for all learners, or one for each."""
    dtype: torch.dtype = torch.float32

    def start(self) -> Tensor:
        std = self.init_std
        return self.learner.start(
            self._generators("start"),
            std if isinstance(std, float | int) else torch.tensor(std),
            self.dtype,
        )

    @property
    def shapes(self) -> Shapes:
        return self.learner.shapes

    def losses(self, w: Tensor, step: int) -> Tensor:
        with torch.no_grad():
            return self.learner.losses(w, *self.draw_minibatch(step))

    def losses_and_gradients(self, w: Tensor, step: int) -> tuple[Tensor, Tensor]:
        return self.learner.losses_and_gradients(w, *self.draw_minibatch(step))

    def draw_minibatch(self, step: int) -> tuple[Tensor, ...]:
        """Inputs and targets (L, batch, …), and the noise of learners that are random."""
        generators = self._generators("minibatch", step)
        examples = self.dataset.draw(generators, self.batch_size, self.dtype)
        if not self.learner.is_random:
            return examples

        generators = self._generators("noise", step)
        return *examples, self.learner.noise(generators, self.batch_size, self.dtype)

    def expand_losses(self, w: Tensor, step: int) -> LossExpansion:
        return self.learner.expand_losses(w, *self.draw_minibatch(step))

    def final_losses(self, w: Tensor, n_steps: int) -> Tensor:
        """The same, in one pass over all images where that is less: each image's loss, times how
        often it was drawn."""
        dataset = self.dataset
        n_drawn = n_steps * self.batch_size

        if not isinstance(dataset, Dataset) or not self.learner.is_separable:
            return super().final_losses(w, n_steps)
        if n_drawn <= len(dataset):
            return super().final_losses(w, n_steps)

        counts = self._count_images(dataset, n_steps)
        total = torch.zeros(len(w), dtype=torch.float64)
        for indices in torch.arange(len(dataset)).split(self.batch_size):
            examples = dataset.minibatch(indices.expand(len(w), -1), self.dtype)
            with torch.no_grad():
                losses = self.learner.example_losses(w, *examples)

            # an image that was never drawn may have an infinite loss
            times_drawn = counts[:, indices]
            total += (losses * times_drawn).where(times_drawn > 0, 0.0).sum(1)
        return total / n_drawn

    def _count_images(self, dataset: Dataset, n_steps: int) -> Tensor:
        """How often each image is drawn in steps 0 … n_steps − 1; shape (L, n), float64."""
        counts = torch.zeros(len(self.indices), len(dataset), dtype=torch.float64)
        ones = torch.ones(len(self.indices), self.batch_size, dtype=torch.float64)

        for step in range(n_steps):
            indices = dataset.draw_indices(self._generators("minibatch", step), self.batch_size)
            counts.scatter_add_(1, indices, ones)
        return counts

    def _generators(self, draw: str, *step: int) -> list[torch.Generator]:
        """One for each learner's `draw`: its start, or its minibatch or noise at a step."""
        purpose = f"{self.purpose}/{draw}"
        return [make_generator(self.seed, purpose, *index, *step) for index in self.indices]

"""Tasks of tiny learners on pooled images of digits: one can run many to look at gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import torch
import torch.nn.functional as F

from meta_trainer.datasets import TensorData, load
from meta_trainer.learners import MLP
from meta_trainer.seeds import make_generator
from meta_trainer.specs import ACTIVATIONS, Activation
from meta_trainer.tasks.optimizees import Optimizee, Supervised

SIDE: Final = 7
"""Of the images, in places: a learner has 600 to 4,000 coordinates."""


def make_small_tasks(
    n_tasks: int, n_learners: int, activations: Sequence[Activation] = ACTIVATIONS
) -> Iterator[Optimizee]:
    """Multilayer perceptrons of one to three hidden layers, each task of another shape; they take
    the activations in turn."""
    digits = load("mnist5k")
    images = digits.images.view(-1, 1, 28, 28).float() / 255
    data = TensorData("pooled", F.avg_pool2d(images, 28 // SIDE).flatten(1), digits.labels)
    for task in range(n_tasks):
        draws = make_generator(0, "benchmarks/small-task", task)

        def choose(*items: Any, draws: torch.Generator = draws) -> Any:
            return items[int(torch.randint(len(items), (), generator=draws))]

        hidden = [choose(10, 14, 20, 32) for _ in range(choose(1, 1, 2, 3))]
        yield Supervised(
            MLP((SIDE * SIDE, *hidden, 10), activations[task % len(activations)]),
            data,
            0,
            f"benchmarks/slopes/{task}",
            [(learner,) for learner in range(n_learners)],
            choose(32, 64, 128),
            choose(0.1, 0.1, 0.2),
        )

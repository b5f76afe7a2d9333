"""A small training that is looked into: a classifier of three layers on clouds of points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from hyperadam.optimizers import DMOptimizer, HyperAdam, RNNprop, TensorInsight
from hyperadam.theta import Theta

N_CLASSES: Final = 5
N_FEATURES: Final = 20
N_POINTS: Final = 1_000
BATCH_SIZE: Final = 64
_CLASSES: Final[dict[str, Any]] = {"rnnprop": RNNprop, "dm": DMOptimizer}
"""Kinds of rule that other classes than `HyperAdam` run."""


@dataclass(frozen=True)
class Recording:
    """What was seen of one training."""

    steps: list[int]
    """Steps that lay behind at each look."""
    losses: list[float]
    """Of the minibatch before each look."""
    looks: list[list[TensorInsight]]
    """One entry for each tensor."""


def record_training(theta: Theta, *, n_steps: int, every: int, seed: int = 0) -> Recording:
    """Train, and look after every so many steps, and after the first.

    Args:
        theta: what trains.
        n_steps: how long.
        every: steps between two looks.
        seed: of data, start and minibatches.
    """
    generator = torch.Generator().manual_seed(seed)
    inputs, classes = draw_points(generator)
    model = make_network(generator)
    optimizer = _CLASSES.get(theta.rule.kind, HyperAdam)(model.named_parameters(), theta=theta)
    recording = Recording([], [], [])
    for step in range(1, n_steps + 1):
        rows = torch.randint(N_POINTS, (BATCH_SIZE,), generator=generator)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs[rows]), classes[rows])
        loss.backward()
        optimizer.step()
        if step == 1 or step % every == 0:
            recording.steps.append(step)
            recording.losses.append(loss.item())
            recording.looks.append(optimizer.inspect())
    return recording


def draw_points(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points around five centres, and whose each is; shapes (points, features) and (points,)."""
    centres = torch.randn(N_CLASSES, N_FEATURES, generator=generator)
    classes = torch.randint(N_CLASSES, (N_POINTS,), generator=generator)
    noise = 2 * torch.randn(N_POINTS, N_FEATURES, generator=generator)
    return centres[classes] + noise, classes


def make_network(generator: torch.Generator) -> nn.Module:
    """20-32-32-5, its weights from N(0, 1/fan-in) and its biases 0."""
    model = nn.Sequential(
        nn.Linear(N_FEATURES, 32),
        nn.Tanh(),
        nn.Linear(32, 32),
        nn.Tanh(),
        nn.Linear(32, N_CLASSES),
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
            if parameter.dim() == 2:
                scale = parameter.shape[1] ** -0.5
                parameter.normal_(std=scale, generator=generator)
    return model

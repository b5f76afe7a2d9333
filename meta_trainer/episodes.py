"""Episodes: what one chunk of learners is trained on, and the state that is carried from period to period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from hyperadam.rules import Rule
from torch import Tensor

from meta_trainer.datasets import Dataset
from meta_trainer.learners import MLP
from meta_trainer.optimizees import Classification, Optimizee
from meta_trainer.seeds import generator
from meta_trainer.specs import MetaTrainingSpec, TaskSpec
from meta_trainer.tricks import RandomScaling, WithConvex

LARGEST_GRADIENT = 1e18
"""Entries beyond this would overflow when squared in float32; a learner that has one counts as diverged."""


class Evaluation(NamedTuple):
    """L learners at one point of their way."""

    loss: Tensor
    """Shape (L,); not finite where a learner diverged."""
    gradient: Tensor
    """Shape (L, p); zero for diverged learners."""
    diverged: Tensor
    """Learners that met a value that is not finite; shape (L,), bool."""


class EpisodeState(NamedTuple):
    """Everything that the next period needs."""

    w: Tensor
    """Parameters, shape (L, p)."""
    here: Evaluation
    """At w, on the minibatch of `step`: shared by the two periods that meet here."""
    rule_state: Any
    """The rule's state for gradients (L, p)."""
    step: int
    """Steps taken since the episode began."""


def begin(rule: Rule[Any], optimizee: Optimizee) -> EpisodeState:
    """The state before an episode's first step."""
    w = optimizee.start()
    here = evaluate(optimizee, w, 0, torch.zeros(w.shape[0], dtype=torch.bool))
    return EpisodeState(w, here, rule.init_state(here.gradient), 0)


def evaluate(optimizee: Optimizee, w: Tensor, step: int, diverged: Tensor) -> Evaluation:
    """The learners at w (L, p) on the minibatch of `step`; `diverged` (L,) are those that did so before.

    A learner that diverges is isolated: its gradient is zero from then on, so that it adds nothing to the meta-gradient
    and cannot carry a value that is not finite into a sum.
    """
    loss, gradient = optimizee.losses_and_gradients(w, step)
    sound = loss.isfinite() & (gradient.abs().amax(1) < LARGEST_GRADIENT)
    diverged = diverged | ~sound
    return Evaluation(loss, torch.where(diverged[:, None], 0.0, gradient), diverged)


def training_optimizee(
    spec: MetaTrainingSpec,
    dataset: Dataset,
    episode: int,
    chunk: int,
    dtype: torch.dtype = torch.float32,
) -> Optimizee:
    """The optimizee of one chunk of learners in one episode of meta-training, tricks included."""
    activations, tricks = spec.task.activations, spec.tricks
    activation = activations[(episode * spec.n_chunks + chunk) % len(activations)]
    learners = range(chunk * spec.chunk_size, (chunk + 1) * spec.chunk_size)
    indices = [(episode, learner) for learner in learners]
    optimizee = _classification(spec.task, dataset, activation, spec.seed, "training", indices, dtype)
    plain = chunk < round(tricks.plain_fraction * spec.n_chunks)
    ranges = [(optimizee.learner.n_coordinates, 0.0 if plain else tricks.random_scaling)]
    result: Optimizee = optimizee
    if tricks.convex_dimension:
        target = [
            torch.rand(tricks.convex_dimension, generator=generator(spec.seed, "training/convex", *index)) * 2 - 1
            for index in indices
        ]
        result = WithConvex(result, torch.stack(target).to(dtype))
        ranges.append((tricks.convex_dimension, 0.0 if plain else tricks.convex_scaling))
    if any(r for _, r in ranges):
        scales = [_random_scale(ranges, generator(spec.seed, "training/scale", *index)) for index in indices]
        result = RandomScaling(result, torch.stack(scales).to(dtype))
    return result


def validation_optimizee(
    spec: MetaTrainingSpec, dataset: Dataset, activation: str, learners: range, dtype: torch.dtype = torch.float32
) -> Optimizee:
    """Plain learners on the same starts and minibatches at every validation of a job."""
    indices = [(learner,) for learner in learners]
    return _classification(spec.task, dataset, activation, spec.seed, f"validation/{activation}", indices, dtype)


def _classification(
    task: TaskSpec,
    dataset: Dataset,
    activation: str,
    seed: int,
    purpose: str,
    indices: Sequence[tuple[int, ...]],
    dtype: torch.dtype,
) -> Classification:
    learner = MLP((dataset.n_features, *task.hidden, dataset.n_classes), activation)
    return Classification(learner, dataset, seed, purpose, indices, task.batch_size, task.init_std, dtype)


def _random_scale(ranges: list[tuple[int, float]], g: torch.Generator) -> Tensor:
    """exp(U(−r, r)) for each (number of coordinates, r) in turn."""
    return torch.cat([torch.exp((torch.rand(n, generator=g) * 2 - 1) * r) for n, r in ranges])

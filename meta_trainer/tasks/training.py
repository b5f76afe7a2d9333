"""The optimizee of one chunk of learners in one episode of meta-training, tricks included.

A task source gives the learners of the chunk. Here the two tricks are laid around them: first the
convex part (CC), then random scaling (RS), which scales the convex coordinates too. Each learner
has a target and a scale of its own, drawn from (seed, episode, learner).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from meta_trainer.datasets import Data, Dataset
from meta_trainer.seeds import make_generator
from meta_trainer.specs import MetaTrainingSpec, TricksSpec
from meta_trainer.tasks.optimizees import Optimizee, Supervised
from meta_trainer.tasks.sampling import Scales
from meta_trainer.tasks.source import TaskSource
from meta_trainer.tasks.spec_source import as_task_source
from meta_trainer.tasks.tricks import RandomScaling, WithConvex


class ScalingRanges(NamedTuple):
    """The ranges r of one learner, whose scales are exp(U(−r, r)); 0: not scaled."""

    learner: float
    """For the coordinates of the learner itself."""
    convex: float
    """For the coordinates of its convex part; 0 where it has none."""


def build_training_optimizee(
    spec: MetaTrainingSpec,
    data: TaskSource | Mapping[str, Data] | Dataset,
    episode: int,
    chunk: int,
    dtype: torch.dtype = torch.float32,
) -> Optimizee:
    """The optimizee of one chunk of learners in one episode of meta-training, tricks included."""
    source = as_task_source(data)
    plain_chunk = source.build_chunk(spec, episode, chunk, dtype)
    learners = plain_chunk.optimizee

    optimizee: Optimizee = learners
    if spec.tricks.convex_dimension:
        optimizee = WithConvex(learners, _draw_targets(spec, learners))

    scales: Sequence[Scales | None] = plain_chunk.scales or [None] * len(learners.indices)
    ranges = [_scaling_ranges(spec.tricks, learner_scales) for learner_scales in scales]
    is_scaled = any(max(learner_ranges) > 0 for learner_ranges in ranges)
    if is_scaled and not _skips_scaling(spec, episode, chunk):
        optimizee = RandomScaling(optimizee, _draw_scales(spec, learners, ranges))

    return optimizee


def _draw_targets(spec: MetaTrainingSpec, learners: Supervised) -> Tensor:
    """Where the convex functions have their minima, η from U(−1, 1); shape (L, k)."""
    targets = []
    for index in learners.indices:
        generator = make_generator(spec.seed, "training/convex", *index)
        targets.append(torch.rand(spec.tricks.convex_dimension, generator=generator) * 2 - 1)
    return torch.stack(targets).to(learners.dtype)


def _skips_scaling(spec: MetaTrainingSpec, episode: int, chunk: int) -> bool:
    """Whether the chunk runs without RS in this episode, as every chunk does in its turn."""
    n_unscaled = round(spec.tricks.plain_fraction * spec.n_chunks)
    return (chunk + episode) % spec.n_chunks < n_unscaled


def _scaling_ranges(tricks: TricksSpec, scales: Scales | None) -> ScalingRanges:
    """The ranges of one learner: those drawn for it, or else those of the tricks."""
    learner = tricks.random_scaling
    convex = tricks.convex_scaling

    if scales is not None and scales.random_scaling is not None:
        learner = scales.random_scaling
    if scales is not None and scales.convex_scaling is not None:
        convex = scales.convex_scaling

    has_convex_part = tricks.convex_dimension > 0
    return ScalingRanges(learner, convex if has_convex_part else 0.0)


def _draw_scales(
    spec: MetaTrainingSpec, learners: Supervised, ranges: list[ScalingRanges]
) -> Tensor:
    """The c of random scaling: of each learner's coordinates, then of its convex part's; shape
    (L, p + k)."""
    scales = []
    for index, learner_ranges in zip(learners.indices, ranges, strict=True):
        generator = make_generator(spec.seed, "training/scale", *index)
        inner = _draw_scale(learners.learner.n_coordinates, learner_ranges.learner, generator)
        convex = _draw_scale(spec.tricks.convex_dimension, learner_ranges.convex, generator)
        scales.append(torch.cat([inner, convex]))
    return torch.stack(scales).to(learners.dtype)


def _draw_scale(n: int, r: float, generator: torch.Generator) -> Tensor:
    """exp(U(−r, r)) for n coordinates; shape (n,)."""
    return torch.exp((torch.rand(n, generator=generator) * 2 - 1) * r)

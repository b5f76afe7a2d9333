"""Where a meta-training's optimizees come from: its spec and data, or a user's own module.

A source is a value: it is sent whole to every worker once, and asked there for one chunk of
learners at a time. What it gives follows from seeds and indices alone. Tricks are laid around it by
`meta_trainer.tasks.training`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks.optimizees import Supervised
from meta_trainer.tasks.sampling import Scales


@dataclass(frozen=True, kw_only=True, eq=False)
class Chunk:
    """The learners of one chunk in one episode, before tricks."""

    optimizee: Supervised
    scales: Sequence[Scales] | None = None
    """One for each learner where random scaling has its range drawn; None: as the tricks say."""


class TaskSource(ABC):
    """What a meta-training trains and validates on."""

    @property
    @abstractmethod
    def fingerprints(self) -> dict[str, str]:
        """Digests of the data by name: part of a Θ's provenance."""

    @abstractmethod
    def build_chunk(
        self,
        spec: MetaTrainingSpec,
        episode: int,
        chunk: int,
        dtype: torch.dtype = torch.float32,
    ) -> Chunk:
        """The learners of one chunk, named ("training", episode, learner)."""

    @abstractmethod
    def count_validation_tasks(self, spec: MetaTrainingSpec) -> int:
        """Tasks whose mean final losses Θ is chosen by."""

    @abstractmethod
    def build_validation(
        self,
        spec: MetaTrainingSpec,
        task: int,
        learners: range,
        dtype: torch.dtype = torch.float32,
    ) -> Supervised:
        """Learners of validation task number `task`, with the same starts and minibatches at every
        validation."""


def select_learners(spec: MetaTrainingSpec, chunk: int) -> range:
    """The numbers of a chunk's learners within the job."""
    first = chunk * spec.chunk_size
    return range(first, first + spec.chunk_size)


def name_learners(spec: MetaTrainingSpec, episode: int, chunk: int) -> list[tuple[int, int]]:
    """The names (episode, learner) of a chunk's learners."""
    return [(episode, learner) for learner in select_learners(spec, chunk)]

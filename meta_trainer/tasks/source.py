"""Where a meta-training's optimizees come from: its spec and data, or a user's own module.

A source is a value: it is sent whole to every worker once, and asked there for one chunk of
learners at a time. What it gives follows from seeds and indices alone. Tricks are laid over it by
`meta_trainer.unrolls.episodes`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from meta_trainer.datasets import Data, Dataset
from meta_trainer.learners import ModuleLearner
from meta_trainer.learners.module import Loss
from meta_trainer.specs import CNNTaskSpec, MetaTrainingSpec, MLPTaskSpec, PlainTaskSpec
from meta_trainer.tasks.build import optimizee_of
from meta_trainer.tasks.optimizees import Supervised
from meta_trainer.tasks.sampling import Scales, sample_scales, sample_task


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
    def training(
        self, spec: MetaTrainingSpec, episode: int, chunk: int, dtype: torch.dtype = torch.float32
    ) -> Chunk:
        """The learners of one chunk, named ("training", episode, learner)."""

    @abstractmethod
    def n_validation_tasks(self, spec: MetaTrainingSpec) -> int:
        """Tasks whose mean final losses Θ is chosen by."""

    @abstractmethod
    def validation(
        self, spec: MetaTrainingSpec, task: int, learners: range, dtype: torch.dtype = torch.float32
    ) -> Supervised:
        """Learners of validation task number `task`: the same starts and minibatches at every
        validation."""


class SpecTasks(TaskSource):
    """What a spec's `task` or `tasks` says, on data by name."""

    def __init__(self, data: Mapping[str, Data]) -> None:
        self._data = dict(data)

    @property
    def fingerprints(self) -> dict[str, str]:
        return {name: data.fingerprint for name, data in self._data.items()}

    def training(
        self, spec: MetaTrainingSpec, episode: int, chunk: int, dtype: torch.dtype = torch.float32
    ) -> Chunk:
        indices = indices_of(spec, episode, chunk)
        if spec.tasks is None:
            tasks = spec.simple_tasks
            task = tasks[(episode * spec.n_chunks + chunk) % len(tasks)]
            return Chunk(
                optimizee=optimizee_of(
                    task, self._data, spec.seed, "training", indices, dtype=dtype
                )
            )
        drawn = sample_task(spec.tasks, spec.seed, episode, chunk)
        scales = [
            sample_scales(spec.tasks, spec.seed, episode, chunk, learner) for _, learner in indices
        ]
        std = [s.init_std for s in scales]
        return Chunk(
            optimizee=optimizee_of(
                drawn, self._data, spec.seed, "training", indices, init_std=std, dtype=dtype
            ),
            scales=scales,
        )

    def n_validation_tasks(self, spec: MetaTrainingSpec) -> int:
        return len(spec.validation_tasks)

    def validation(
        self, spec: MetaTrainingSpec, task: int, learners: range, dtype: torch.dtype = torch.float32
    ) -> Supervised:
        return self.plain(spec, spec.validation_tasks[task], learners, dtype)

    def plain(
        self,
        spec: MetaTrainingSpec,
        task: PlainTaskSpec,
        learners: range,
        dtype: torch.dtype = torch.float32,
    ) -> Supervised:
        """Validation learners of any task."""
        purpose = f"validation/{_label(task)}"
        return optimizee_of(
            task, self._data, spec.seed, purpose, [(i,) for i in learners], dtype=dtype
        )


@dataclass(frozen=True, eq=False)
class ModuleTasks(TaskSource):
    """A user's own module, loss and data, trained and validated on instead of what the spec's
    `task` says.

    Example:
        >>> tasks = ModuleTasks(lambda: nn.Linear(4, 1), nn.functional.mse_loss, TensorData("mine", x, y))
        >>> trained = MetaTraining(spec, tasks, InProcessRunner(), LogRecorder()).run()
    """

    make: Callable[[], nn.Module]
    """Makes a module with its own start; see `ModuleLearner`."""
    loss: Loss
    data: Data
    batch_size: int = 128
    random: bool = False
    """Whether the module draws random numbers when it is called, as dropout does."""

    @property
    def fingerprints(self) -> dict[str, str]:
        return {self.data.name: self.data.fingerprint}

    def training(
        self, spec: MetaTrainingSpec, episode: int, chunk: int, dtype: torch.dtype = torch.float32
    ) -> Chunk:
        return Chunk(
            optimizee=self.optimizee(spec.seed, "training", indices_of(spec, episode, chunk), dtype)
        )

    def n_validation_tasks(self, spec: MetaTrainingSpec) -> int:  # noqa: ARG002
        return 1

    def validation(
        self,
        spec: MetaTrainingSpec,
        task: int,  # noqa: ARG002
        learners: range,
        dtype: torch.dtype = torch.float32,
    ) -> Supervised:
        return self.optimizee(spec.seed, "validation", [(i,) for i in learners], dtype)

    def optimizee(
        self,
        seed: int,
        purpose: str,
        indices: Sequence[tuple[int, ...]],
        dtype: torch.dtype = torch.float32,
    ) -> Supervised:
        """Learners whose starts and minibatches follow from (seed, purpose, index): for comparisons
        of one's own."""
        learner = ModuleLearner(self.make, self.loss, random=self.random)
        return Supervised(learner, self.data, seed, purpose, indices, self.batch_size, 1.0, dtype)


def source_of(data: TaskSource | Mapping[str, Data] | Dataset) -> TaskSource:
    """A source from what callers have: one dataset, several by name, or a source already."""
    if isinstance(data, TaskSource):
        return data
    return SpecTasks({data.name: data} if isinstance(data, Dataset) else data)


def indices_of(spec: MetaTrainingSpec, episode: int, chunk: int) -> list[tuple[int, int]]:
    """The names (episode, learner) of a chunk's learners."""
    return [
        (episode, learner)
        for learner in range(chunk * spec.chunk_size, (chunk + 1) * spec.chunk_size)
    ]


def _label(task: PlainTaskSpec) -> str:
    """Tasks of one label share their seeds: sizes of one kind of network are paired."""
    if isinstance(task, MLPTaskSpec):
        return task.activation
    return task.architecture if isinstance(task, CNNTaskSpec) else task.kind

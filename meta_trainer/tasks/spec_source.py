"""The task source of a job: its spec's `task` or `tasks`, on data by name."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from meta_trainer.datasets import Data, Dataset
from meta_trainer.specs import (
    CNNTaskSpec,
    MetaTrainingSpec,
    MLPTaskSpec,
    NetworkTaskSpec,
    PlainTaskSpec,
    TaskDistribution,
)
from meta_trainer.tasks.build import build_optimizee
from meta_trainer.tasks.optimizees import Supervised
from meta_trainer.tasks.sampling import sample_scales, sample_task
from meta_trainer.tasks.source import Chunk, TaskSource, name_learners


class SpecTaskSource(TaskSource):
    """What a spec's `task` or `tasks` says, on data by name."""

    def __init__(self, data: Mapping[str, Data]) -> None:
        self._data = dict(data)

    @property
    def fingerprints(self) -> dict[str, str]:
        return {name: data.fingerprint for name, data in self._data.items()}

    def build_chunk(
        self,
        spec: MetaTrainingSpec,
        episode: int,
        chunk: int,
        dtype: torch.dtype = torch.float32,
    ) -> Chunk:
        if spec.tasks is not None:
            return self._draw_chunk(spec, spec.tasks, episode, chunk, dtype)

        tasks = spec.simple_tasks
        task = tasks[(episode * spec.n_chunks + chunk) % len(tasks)]
        names = name_learners(spec, episode, chunk)
        optimizee = build_optimizee(task, self._data, spec.seed, "training", names, dtype=dtype)
        return Chunk(optimizee=optimizee)

    def count_validation_tasks(self, spec: MetaTrainingSpec) -> int:
        return len(spec.validation_tasks)

    def build_validation(
        self,
        spec: MetaTrainingSpec,
        task: int,
        learners: range,
        dtype: torch.dtype = torch.float32,
    ) -> Supervised:
        return self.build_validation_of(spec, spec.validation_tasks[task], learners, dtype)

    def build_validation_of(
        self,
        spec: MetaTrainingSpec,
        task: PlainTaskSpec,
        learners: range,
        dtype: torch.dtype = torch.float32,
    ) -> Supervised:
        """Validation learners of any task."""
        purpose = f"validation/{_label_task(task)}"
        names = [(learner,) for learner in learners]
        return build_optimizee(task, self._data, spec.seed, purpose, names, dtype=dtype)

    def _draw_chunk(
        self,
        spec: MetaTrainingSpec,
        distribution: TaskDistribution,
        episode: int,
        chunk: int,
        dtype: torch.dtype,
    ) -> Chunk:
        """Learners of a task that is drawn for the chunk, with scales drawn for each learner."""
        task = sample_task(distribution, spec.seed, episode, chunk)
        names = name_learners(spec, episode, chunk)
        scales = [
            sample_scales(distribution, spec.seed, episode, chunk, learner) for _, learner in names
        ]
        optimizee = build_optimizee(
            task,
            self._data,
            spec.seed,
            "training",
            names,
            init_std=[learner_scales.init_std for learner_scales in scales],
            dtype=dtype,
        )
        return Chunk(optimizee=optimizee, scales=scales)


def as_task_source(data: TaskSource | Mapping[str, Data] | Dataset) -> TaskSource:
    """A source from what callers have: one dataset, several by name, or a source already."""
    if isinstance(data, TaskSource):
        return data
    return SpecTaskSource({data.name: data} if isinstance(data, Dataset) else data)


def _label_task(task: PlainTaskSpec) -> str:
    """Tasks of one label share their seeds: sizes of one kind of network are paired."""
    match task:
        case MLPTaskSpec():
            return task.activation
        case CNNTaskSpec():
            return task.architecture
        case NetworkTaskSpec():
            return task.network
        case _:
            return task.kind

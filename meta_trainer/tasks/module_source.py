"""The task source of Python code: a user's own module, loss and data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from meta_trainer.datasets import Data
from meta_trainer.learners import ModuleLearner
from meta_trainer.learners.module import Loss
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.tasks.optimizees import Supervised
from meta_trainer.tasks.source import Chunk, TaskSource, name_learners


@dataclass(frozen=True, eq=False)
class ModuleTaskSource(TaskSource):
    """A user's own module, loss and data, trained and validated on instead of what the spec's
    `task` says.

    Example:
        >>> data = TensorData("mine", x, y)
        >>> source = ModuleTaskSource(lambda: nn.Linear(4, 1), nn.functional.mse_loss, data)
        >>> trained = MetaTraining(spec, source, InProcessRunner(), LogRecorder()).run()
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

    def build_chunk(
        self,
        spec: MetaTrainingSpec,
        episode: int,
        chunk: int,
        dtype: torch.dtype = torch.float32,
    ) -> Chunk:
        names = name_learners(spec, episode, chunk)
        return Chunk(optimizee=self.build_optimizee(spec.seed, "training", names, dtype))

    def count_validation_tasks(self, spec: MetaTrainingSpec) -> int:  # noqa: ARG002
        return 1

    def build_validation(
        self,
        spec: MetaTrainingSpec,
        task: int,  # noqa: ARG002
        learners: range,
        dtype: torch.dtype = torch.float32,
    ) -> Supervised:
        names = [(learner,) for learner in learners]
        return self.build_optimizee(spec.seed, "validation", names, dtype)

    def build_optimizee(
        self,
        seed: int,
        purpose: str,
        indices: Sequence[tuple[int, ...]],
        dtype: torch.dtype = torch.float32,
    ) -> Supervised:
        """Learners whose starts and minibatches follow from (seed, purpose, index): for comparisons
        of one's own."""
        return Supervised(
            learner=ModuleLearner(self.make, self.loss, random=self.random),
            dataset=self.data,
            seed=seed,
            purpose=purpose,
            indices=indices,
            batch_size=self.batch_size,
            init_std=1.0,
            dtype=dtype,
        )

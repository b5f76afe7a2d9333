"""What a suite is: named tasks, and the paper's figures for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from meta_trainer.datasets import Dataset
from meta_trainer.learners import MLP
from meta_trainer.optimizees import Classification, Optimizee
from meta_trainer.specs import Activation


class Task(ABC):
    """One row of a table: learners of one kind on one dataset. Subclasses are frozen dataclasses."""

    name: str
    """Unique within its suite."""

    @abstractmethod
    def optimizee(self, dataset: Dataset, seed: int, purpose: str, indices: Sequence[tuple[int, ...]]) -> Optimizee:
        """Learners whose starts and minibatches follow from (seed, purpose, index) alone."""

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """Everything that decides the task's numbers, as JSON: part of the key under which tuned rates are kept."""


@dataclass(frozen=True)
class MLPTask(Task):
    """A multilayer perceptron; the defaults are the paper's basic MLP."""

    name: str
    activation: Activation
    hidden: tuple[int, ...] = (20,)
    batch_size: int = 128
    init_std: float = 0.1

    def optimizee(self, dataset: Dataset, seed: int, purpose: str, indices: Sequence[tuple[int, ...]]) -> Optimizee:
        learner = MLP((dataset.n_features, *self.hidden, dataset.n_classes), self.activation)
        return Classification(learner, dataset, seed, purpose, indices, self.batch_size, self.init_std)

    def content(self) -> dict[str, Any]:
        return {"kind": "mlp", **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Tasks that are reported together."""

    name: str
    title: str
    tasks: tuple[Task, ...]
    paper_source: str = ""
    """Where the paper's figures stand."""
    paper: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """The paper's final losses: task → optimizer → loss."""

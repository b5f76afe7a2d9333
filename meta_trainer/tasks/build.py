"""From a plain task's spec to its optimizee: one line for each kind of learner."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch

from meta_trainer.datasets import Data, Dataset, SineSequences, load
from meta_trainer.learners import CNN, LSTM, MLP, Learner
from meta_trainer.optimizees import Supervised
from meta_trainer.specs import LSTMTaskSpec, PlainTaskSpec

LEARNERS: Final[dict[str, Callable[[Any, Any], Learner]]] = {
    "mlp": lambda task, images: MLP((images.n_features, *task.hidden, images.n_classes), task.activation),
    "cnn": lambda task, images: CNN(
        task.architecture, images.image_shape, images.n_classes, batch_norm=task.batch_norm, dropout=task.dropout
    ),
    "lstm": lambda task, _: LSTM(task.n_layers, task.hidden),
}
"""The network for a task and its data, by the `kind` of the task's spec."""


def optimizee_of(
    task: PlainTaskSpec,
    data: Mapping[str, Data],
    seed: int,
    purpose: str,
    indices: Sequence[tuple[int, ...]],
    *,
    init_std: Sequence[float] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Supervised:
    """Learners of one task, whose starts, minibatches and masks follow from (seed, purpose, index) alone.

    Args:
        data: by `data_name`; see `load_data`.
        indices: the names of the learners, L of them.
        init_std: one for each learner; None: the task's.

    Raises:
        ValueError: the task's data is missing from `data`.
    """
    learner, source = learner_of(task, data), data_of(task, data)
    std = task.init_std if init_std is None else tuple(init_std)
    return Supervised(learner, source, seed, purpose, indices, task.batch_size, std, dtype)


def learner_of(task: PlainTaskSpec, data: Mapping[str, Data]) -> Learner:
    """The network of a task."""
    source = data_of(task, data)
    if not isinstance(task, LSTMTaskSpec) and not isinstance(source, Dataset):
        raise ValueError(f"dataset {task.dataset!r} must be labelled images, got {type(source).__name__}")
    return LEARNERS[task.kind](task, source)


def data_name(task: PlainTaskSpec) -> str:
    """The name of a task's data."""
    return SineSequences(task.noise_std).name if isinstance(task, LSTMTaskSpec) else task.dataset


def data_of(task: PlainTaskSpec, data: Mapping[str, Data]) -> Data:
    """What a task draws its minibatches from. Sequences are made up, and need no entry in `data`."""
    if isinstance(task, LSTMTaskSpec):
        return SineSequences(task.noise_std)
    if task.dataset not in data:
        raise ValueError(f"dataset {task.dataset!r} is wanted by a task, but only {', '.join(data) or 'none'} given")
    return data[task.dataset]


def load_data(tasks: Sequence[PlainTaskSpec], data_dir: str | None) -> dict[str, Data]:
    """The data of all these tasks, by name.

    Raises:
        DatasetMissing: one is not in the data folder.
    """
    images: dict[str, Data] = {
        task.dataset: load(task.dataset, data_dir) for task in tasks if not isinstance(task, LSTMTaskSpec)
    }
    sequences = [SineSequences(task.noise_std) for task in tasks if isinstance(task, LSTMTaskSpec)]
    return {**images, **{source.name: source for source in sequences}}

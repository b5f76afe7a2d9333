"""From a plain task's spec to its optimizee: one line for each kind of learner."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch

from meta_trainer.datasets import Data, Dataset, Language, SineSequences, load
from meta_trainer.learners import CNN, LSTM, MLP, Learner, image_network, language_model
from meta_trainer.specs import DatasetName, LanguageTaskSpec, LSTMTaskSpec, TaskSpecOfAnyKind
from meta_trainer.tasks.optimizees import Supervised

LEARNERS: Final[dict[str, Callable[[Any, Any], Learner]]] = {
    "mlp": lambda task, images: MLP(
        (images.n_features, *task.hidden, images.n_classes), task.activation
    ),
    "cnn": lambda task, images: CNN(
        task.architecture,
        images.image_shape,
        images.n_classes,
        batch_norm=task.batch_norm,
        dropout=task.dropout,
    ),
    "lstm": lambda task, _: LSTM(task.n_layers, task.hidden),
    "image-network": lambda task, images: image_network(
        task.network, images.image_shape, images.n_classes
    ),
    "language": lambda *_: language_model(),
}
"""The network for a task and its data, by the `kind` of the task's spec."""


def optimizee_of(
    task: TaskSpecOfAnyKind,
    data: Mapping[str, Data],
    seed: int,
    purpose: str,
    indices: Sequence[tuple[int, ...]],
    *,
    init_std: Sequence[float] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Supervised:
    """Learners of one task, whose starts, minibatches and masks follow from (seed, purpose, index)
    alone.

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


def learner_of(task: TaskSpecOfAnyKind, data: Mapping[str, Data]) -> Learner:
    """The network of a task."""
    source, wanted = data_of(task, data), _source(task)
    if isinstance(wanted, str) and not isinstance(source, Dataset):
        raise ValueError(f"dataset {wanted!r} must be labelled images, got {type(source).__name__}")
    return LEARNERS[task.kind](task, source)


def data_name(task: TaskSpecOfAnyKind) -> str:
    """The name of a task's data."""
    source = _source(task)
    return source if isinstance(source, str) else source.name


def data_of(task: TaskSpecOfAnyKind, data: Mapping[str, Data]) -> Data:
    """What a task draws its minibatches from. What is made up needs no entry in `data`."""
    source = _source(task)
    if not isinstance(source, str):
        return source
    if source not in data:
        raise ValueError(
            f"dataset {source!r} is wanted by a task, but only {', '.join(data) or 'none'} given"
        )
    return data[source]


def load_data(tasks: Sequence[TaskSpecOfAnyKind], data_dir: str | None) -> dict[str, Data]:
    """The data of all these tasks, by name.

    Raises:
        DatasetMissing: one is not in the data folder.
    """
    sources = [_source(task) for task in tasks]
    names = dict.fromkeys(source for source in sources if isinstance(source, str))
    made_up = {source.name: source for source in sources if not isinstance(source, str)}
    return {name: load(name, data_dir) for name in names} | made_up


def _source(task: TaskSpecOfAnyKind) -> DatasetName | Data:
    """The dataset that a task names, or what is made up for it."""
    match task:
        case LSTMTaskSpec():
            return SineSequences(task.noise_std)
        case LanguageTaskSpec():
            return Language()
        case _:
            return task.dataset

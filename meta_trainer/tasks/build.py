"""From a plain task's spec to its optimizee: one line for each kind of learner."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch

from meta_trainer.datasets import Characters, Data, Dataset, Language, MaskedCharacters, Ratings
from meta_trainer.datasets.characters import N_CHARACTERS, WINDOW
from meta_trainer.datasets.regression import N_FEATURES
from meta_trainer.learners import CNN, LSTM, MLP, Learner, image_network, language_model
from meta_trainer.learners.batched import Sizes, batched_network
from meta_trainer.learners.described import described_network
from meta_trainer.learners.field import field_image_network, field_network
from meta_trainer.learners.installed import find_learner
from meta_trainer.specs import AnyTaskSpec, NetworkTaskSpec
from meta_trainer.tasks.data import find_data
from meta_trainer.tasks.optimizees import Supervised


def _find_shape(examples: Dataset) -> tuple[int, ...]:
    """Of an image, or of a vector."""
    shape = examples.image_shape
    return shape[2:] if examples.form.is_vector else shape


def _measure_network(task: NetworkTaskSpec, data: Data) -> Sizes:
    """What the shapes of a network on these data follow from."""
    match data:
        case Language():
            return Sizes((1, data.length, 1), data.n_symbols, task.width, depth=task.depth)
        case Characters() | MaskedCharacters():
            return Sizes((1, WINDOW, 1), N_CHARACTERS, task.width, depth=task.depth)
        case Ratings():
            return Sizes((1, 1, data.n_each), 1, task.width, task.activation)
        case Dataset():
            shape = data.image_shape
            return Sizes(shape, data.n_classes, task.width, task.activation, task.depth)
        case _:
            return Sizes((1, 1, N_FEATURES), 1, task.width, task.activation)


LEARNERS: Final[dict[str, Callable[[Any, Any], Learner]]] = {
    "mlp": lambda task, images: MLP(
        (images.n_features, *task.hidden, images.n_classes),
        task.activation,
        task.initialization,
    ),
    "cnn": lambda task, images: CNN(
        task.architecture,
        images.image_shape,
        images.n_classes,
        batch_norm=task.batch_norm,
        dropout=task.dropout,
    ),
    "lstm": lambda task, _: LSTM(task.n_layers, task.hidden),
    "network": lambda task, data: batched_network(
        task.network, _measure_network(task, data), task.initialization
    ),
    "described": lambda task, examples: described_network(
        task.blocks, _find_shape(examples), examples.n_classes, examples.targets
    ),
    "image-network": lambda task, images: image_network(
        task.network, images.image_shape, images.n_classes
    ),
    "language": lambda *_: language_model(),
    "field": lambda task, _: field_network(task.network),
    "field-image": lambda task, images: field_image_network(
        task.network, images.image_shape, images.n_classes
    ),
}
"""The network for a task and its data, by the `kind` of the task's spec."""


def build_optimizee(
    task: AnyTaskSpec,
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
        data: by name; see `load_data`.
        indices: the names of the learners, L of them.
        init_std: one for each learner; None: the task's.

    Raises:
        ValueError: the task's data is missing from `data`.
    """
    return Supervised(
        learner=build_learner(task, data),
        dataset=find_data(task, data),
        seed=seed,
        purpose=purpose,
        indices=indices,
        batch_size=task.batch_size,
        init_std=task.init_std if init_std is None else tuple(init_std),
        dtype=dtype,
    )


def build_learner(task: AnyTaskSpec, data: Mapping[str, Data]) -> Learner:
    """The network of a task.

    Raises:
        ValueError: the task's data is missing from `data`, or its kind is installed elsewhere.
    """
    examples = find_data(task, data)
    if task.kind in LEARNERS:
        return LEARNERS[task.kind](task, examples)
    installed = find_learner(task.kind)
    if installed is None:
        raise ValueError(f"no learner is installed here for tasks of kind {task.kind!r}")
    return installed.build_learner(task, examples)

"""What tasks draw their minibatches from: datasets from the data folder, and what is made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from meta_trainer.datasets import Data, Dataset, Language, Regression, SineSequences, load
from meta_trainer.learners.field import find_field_data
from meta_trainer.specs import (
    AnyTaskSpec,
    DatasetName,
    FieldTaskSpec,
    LanguageTaskSpec,
    LSTMTaskSpec,
    NetworkTaskSpec,
)

SMALL_LANGUAGE: Final = Language(n_symbols=16, length=16, seed=1)
"""That of plain tasks: another one than evaluations have."""


def load_data(tasks: Sequence[AnyTaskSpec], data_dir: str | None) -> dict[str, Data]:
    """The data of all these tasks, by name.

    Raises:
        DatasetMissing: a dataset is not in the data folder.
    """
    loaded: dict[str, Data] = {}
    synthetic: dict[str, Data] = {}

    for task in tasks:
        source = _name_or_synthetic(task)
        if not isinstance(source, str):
            synthetic[source.name] = source
        elif source not in loaded:
            loaded[source] = load(source, data_dir)

    return loaded | synthetic


def find_data(task: AnyTaskSpec, data: Mapping[str, Data]) -> Data:
    """What a task draws its minibatches from: images pooled to its `side` where it has one.
    Synthetic data needs no entry in `data`.

    Raises:
        ValueError: the task's dataset is missing from `data`, or has no labelled images.
    """
    source = _name_or_synthetic(task)
    if not isinstance(source, str):
        return source

    if source not in data:
        raise ValueError(
            f"dataset {source!r} is wanted by a task, but only {', '.join(data) or 'none'} given"
        )

    dataset = data[source]
    if not isinstance(dataset, Dataset):
        kind = type(dataset).__name__
        raise ValueError(f"dataset {source!r} must be labelled images, got {kind}")

    side = getattr(task, "side", None)
    return dataset if side is None else dataset.pooled(side)


def name_dataset(task: AnyTaskSpec) -> DatasetName | None:
    """The dataset that a task reads; None where its data is made up."""
    source = _name_or_synthetic(task)
    return source if isinstance(source, str) else None


def _name_or_synthetic(task: AnyTaskSpec) -> DatasetName | Data:
    """The name of a task's dataset, or the data that is made up for the task."""
    match task:
        case LSTMTaskSpec():
            return SineSequences(task.noise_std)
        case LanguageTaskSpec():
            return Language()
        case FieldTaskSpec():
            return find_field_data(task.network)
        case NetworkTaskSpec(network="language" | "tied-language"):
            return SMALL_LANGUAGE
        case NetworkTaskSpec(network="regression"):
            return Regression(task.variant)
        case _:
            return task.dataset

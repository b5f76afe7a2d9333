"""What tasks draw their minibatches from: datasets from the data folder, and what is made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from meta_trainer.datasets import (
    Characters,
    Data,
    Dataset,
    Language,
    MaskedCharacters,
    Ratings,
    Regression,
    SineSequences,
    load,
)
from meta_trainer.datasets.registered import load_registered
from meta_trainer.learners.field import find_field_data
from meta_trainer.learners.installed import find_learner
from meta_trainer.specs import (
    AnyTaskSpec,
    DatasetName,
    FieldTaskSpec,
    LanguageTaskSpec,
    LSTMTaskSpec,
    NetworkTaskSpec,
)
from meta_trainer.specs.datasets import is_registered
from meta_trainer.specs.installed import OWN_KINDS
from registry import Registry

SMALL_LANGUAGE: Final = Language(n_symbols=16, length=16, seed=1)
"""That of plain tasks: another one than evaluations have."""
FIRST_TEXT: Final = 2
N_TEXTS: Final = 4
"""Those of plain tasks: other ones than evaluations have."""
N_RATED: Final = 200
"""Users and items of plain tasks; their tastes are others than those of evaluations."""


def load_data(
    tasks: Sequence[AnyTaskSpec], data_dir: str | None, registry: Registry | None = None
) -> dict[str, Data]:
    """The data of all these tasks, by name.

    Args:
        registry: that has the files of registered datasets; None: only those are found that
            `data_dir` keeps.

    Raises:
        DatasetMissing: a dataset is not in the data folder, or not registered.
    """
    loaded: dict[str, Data] = {}
    synthetic: dict[str, Data] = {}

    for task in tasks:
        source = _name_or_synthetic(task)
        if not isinstance(source, str):
            synthetic[source.name] = source
        elif source not in loaded:
            loaded[source] = load_dataset(source, data_dir, registry)

    return loaded | synthetic


def load_dataset(
    name: str, data_dir: str | None, registry: Registry | None, split: str = "train"
) -> Dataset:
    """A built-in dataset from the data folder, or a registered one.

    Raises:
        DatasetMissing: it is not there.
    """
    if is_registered(name):
        return load_registered(name, data_dir, registry, split)
    return load(name, data_dir, split)


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
        case NetworkTaskSpec(network="text"):
            return Characters(FIRST_TEXT + task.variant % N_TEXTS)
        case NetworkTaskSpec(network="masked-text"):
            return MaskedCharacters(FIRST_TEXT + task.variant % N_TEXTS)
        case NetworkTaskSpec(network="recommender"):
            return Ratings(N_RATED, seed=1 + task.variant)
        case NetworkTaskSpec(network="regression") if not is_registered(task.dataset):
            return Regression(task.variant)
        case _ if task.kind in OWN_KINDS or "dataset" in type(task).model_fields:
            return task.dataset
        case _:
            return _make_installed_data(task)


def _make_installed_data(task: AnyTaskSpec) -> Data:
    """What an installed kind of tasks makes up for itself."""
    installed = find_learner(task.kind)
    if installed is None:
        raise ValueError(f"no learner is installed here for tasks of kind {task.kind!r}")
    return installed.make_data(task)

"""How large the learners of a task are, told without their data: shapes follow from what examples
look like (`meta_trainer.datasets.catalog.Form`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import torch

from meta_trainer.datasets import Dataset
from meta_trainer.datasets.catalog import FORMS, Form
from meta_trainer.learners import Learner
from meta_trainer.specs import AnyTaskSpec
from meta_trainer.tasks.build import build_learner
from meta_trainer.tasks.data import name_dataset

Forms = Mapping[str, Form]
"""By what specs call datasets; `FORMS` has the built-in ones."""

_PLACES: Final = 100
"""Of an image, at which a kernel of a convolution is used for one example."""
_COORDINATES: Final[Mapping[str, int]] = {
    "image-network": 30_000,
    "language": 15_000,
    "field": 500_000,
    "field-image": 200_000,
}
"""Of the networks that only evaluations have, about: to make them takes libraries and seconds."""


def count_coordinates(task: AnyTaskSpec, forms: Forms = FORMS) -> int:
    """p of a task's learner; its data is not read."""
    if task.kind in _COORDINATES:
        return _COORDINATES[task.kind]
    return make_learner(task, forms).n_coordinates


def count_products(task: AnyTaskSpec, forms: Forms = FORMS) -> int:
    """Products of weights and numbers for one example: a kernel's weights are used at each
    place."""
    if task.kind in _COORDINATES:
        return 4 * _COORDINATES[task.kind]
    shapes = make_learner(task, forms).shapes
    return sum(math.prod(shape) * (_PLACES if len(shape) == 4 else 1) for shape in shapes)


def make_learner(task: AnyTaskSpec, forms: Forms = FORMS) -> Learner:
    """The network of a task, without its data.

    Raises:
        ValueError: it cannot be built for such examples.
    """
    name = name_dataset(task)
    return _make_learner(task, None if name is None else forms[name])


@lru_cache(maxsize=1024)
def _make_learner(task: AnyTaskSpec, form: Form | None) -> Learner:
    name = name_dataset(task)
    if name is None or form is None:
        return build_learner(task, {})
    return build_learner(task, {name: _make_blank(name, form)})


def _make_blank(name: str, form: Form) -> Dataset:
    """One black image."""
    images = torch.zeros((1, *form.image_shape), dtype=torch.uint8)
    labels = torch.zeros(1, dtype=torch.int64)
    if form.targets == "numbers":
        labels = torch.zeros(1, form.n_outputs)
    return Dataset(name, "train", images, labels, form.n_outputs, targets=form.targets)

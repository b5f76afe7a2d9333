"""Learners that an operator installed (`hyperadam.extensions`), for the kinds of tasks that are
installed beside them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

from hyperadam.extensions import LEARNERS, Extension, load_extensions

from meta_trainer.datasets import Data
from meta_trainer.learners.base import Learner
from meta_trainer.specs.installed import installed_tasks


class LearnerMaker(Protocol):
    """What an entry point of the group `hyperadam.learners` names: an object, or a module, with
    these functions."""

    def build_learner(self, task: Any, data: Data) -> Learner:
        """The network of a task on its data. Its shapes may depend on what examples look like,
        never on the examples."""

    def make_data(self, task: Any) -> Data:
        """What a task is trained on that has no field `dataset`; asked of no other."""


@cache
def installed_learners() -> Mapping[str, Extension]:
    """By kind of task; each value is a `LearnerMaker`."""
    return load_extensions(LEARNERS, _check)


def find_learner(kind: str) -> LearnerMaker | None:
    """What makes the learners of an installed kind of tasks; None: no such kind is installed."""
    extension = installed_learners().get(kind)
    return None if extension is None else extension.value


def _check(kind: str, maker: Any) -> None:
    """
    Raises:
        TypeError, ValueError: it makes no learners of an installed kind of tasks.
    """
    if not callable(getattr(maker, "build_learner", None)):
        raise TypeError("must have a function build_learner(task, data)")
    task = installed_tasks().get(kind)
    if task is None:
        raise ValueError(f"no entry point of the group hyperadam.tasks has the name {kind!r}")
    has_dataset = "dataset" in task.value.model_fields
    if not has_dataset and not callable(getattr(maker, "make_data", None)):
        raise TypeError("must have a function make_data(task), as the task has no field dataset")

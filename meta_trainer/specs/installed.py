"""Kinds of plain tasks that an operator installed (`hyperadam.extensions`): classes of specs, which
stand beside our own wherever a plain task may."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from hyperadam.extensions import TASKS, Extension, load_extensions

from meta_trainer.specs.base import Spec

OWN_KINDS: Final = frozenset(
    {
        "mlp",
        "cnn",
        "lstm",
        "network",
        "described",
        "image-network",
        "language",
        "field",
        "field-image",
    }
)
_NEEDED: Final = ("batch_size", "init_std")


@cache
def installed_tasks() -> Mapping[str, Extension]:
    """By kind; each value is a class of specs."""
    return load_extensions(TASKS, _check)


def _check(kind: str, model: Any) -> None:
    """
    Raises:
        TypeError: it is no class of specs of this kind.
    """
    if not (isinstance(model, type) and issubclass(model, Spec)):
        raise TypeError(f"must be a subclass of meta_trainer.specs.base.Spec, got {model!r}")
    if kind in OWN_KINDS:
        raise TypeError(f"the kind {kind!r} is one of the service's own")
    field = model.model_fields.get("kind")
    if field is None or field.default != kind:
        raise TypeError(f"the field kind must have the default {kind!r}")
    for name in _NEEDED:
        if name not in model.model_fields:
            raise TypeError(f"the field {name} must be there")
    hash(model())

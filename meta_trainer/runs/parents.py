"""The Θ that a warm start begins with: a version of the registry, as its file."""

from __future__ import annotations

from typing import NamedTuple

from hyperadam.names import split_ref
from hyperadam.theta import Theta

from meta_trainer.specs import MetaTrainingSpec
from registry import Registry


class Parent(NamedTuple):
    """A version that another Θ starts from."""

    theta: Theta
    sha256: str
    """Of its file."""


def load_parent(spec: MetaTrainingSpec, registry: Registry) -> Parent | None:
    """What a job's `parent` refers to; None where it starts afresh."""
    if spec.parent is None:
        return None
    version = registry.version(*split_ref(spec.parent))
    file = registry.weights(version.optimizer, version.number)
    return Parent(Theta.from_bytes(file), version.sha256)

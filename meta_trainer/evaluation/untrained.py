"""What a Θ was before any meta-training: its own start, made again from what its file says.

The start of a Θ that was trained from another one is that one's own start, adjusted as the job
adjusted its parent: so the difference to it is what meta-training added, over the whole lineage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import hyperadam
from hyperadam.shipped import find_pretrained
from hyperadam.theta import Theta
from pydantic import ValidationError

from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.training.initial_theta import make_initial_theta

FindVersion = Callable[[str], Theta | None]
"""A registered version by its reference `name@number`; None where there is none."""


class StartUnknown(Exception):
    """The start of a Θ cannot be made again; the message says why."""


def rebuild_start(theta: Theta, find_version: FindVersion) -> Theta:
    """The Θ's start, of its rule and its rate.

    Raises:
        StartUnknown: its file, or that of one that it was trained from, does not say enough.
    """
    spec = _read_spec(theta.provenance)
    if theta.provenance.get("continued_from") or spec.continue_from:
        raise StartUnknown("it goes on from another job's checkpoint, whose start its file omits")

    parent = _find_parent(theta.provenance, find_version) if spec.parent else None
    parent_start = rebuild_start(parent, find_version) if parent else None
    try:
        vector = make_initial_theta(spec, parent_start)
    except ValueError as error:
        raise StartUnknown(str(error)) from error
    return Theta.from_vector(theta.rule, vector, rate=theta.rate)


def _read_spec(provenance: Mapping[str, Any]) -> MetaTrainingSpec:
    content = provenance.get("spec")
    if not isinstance(content, Mapping):
        raise StartUnknown("its file does not say how it was trained")
    try:
        return MetaTrainingSpec.model_validate(content)
    except ValidationError as error:
        raise StartUnknown("its file says a spec that is not valid today") from error


def _find_parent(provenance: Mapping[str, Any], find_version: FindVersion) -> Theta:
    """Among the registered versions and those of the package, the one of the recorded digest."""
    record = provenance.get("parent")
    if not isinstance(record, Mapping):
        raise StartUnknown("its file does not say which Θ it was trained from")
    reference = str(record.get("version"))
    sha256 = record.get("sha256")

    registered = find_version(reference)
    if registered is not None and registered.sha256 == sha256:
        return registered
    name = find_pretrained(str(sha256))
    if name is not None:
        return hyperadam.pretrained(name)
    raise StartUnknown(f"its parent {reference} ({str(sha256)[:12]}) is not at hand")

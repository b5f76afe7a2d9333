"""The Θ that a meta-training starts from."""

from __future__ import annotations

from hyperadam.theta import Theta
from torch import Tensor

from meta_trainer.seeds import make_generator
from meta_trainer.specs import MetaTrainingSpec, check_parent
from meta_trainer.training.adjustment import adjust_theta
from meta_trainer.training.units import make_rule


def make_initial_theta(spec: MetaTrainingSpec, parent: Theta | None = None) -> Tensor:
    """The Θ that a job starts from, shape (n_theta,), float32: its parent's, or a fresh one, and
    what `adjustment` makes of it.

    Raises:
        ValueError: the spec names a parent but none was given, or the reverse; or the parent's
            rule is not the spec's.
    """
    rule = make_rule(spec.rule)
    if (parent is None) != (spec.parent is None):
        number = "no" if parent is None else "a"
        raise ValueError(f"parent is {spec.parent!r} in the spec, but {number} Θ was given")
    start = rule.init_theta(make_generator(spec.seed, "theta"), spec.init)
    tensors = start
    if parent is not None:
        check_parent(spec, parent.rule.spec)
        tensors = rule.widen_theta(parent.tensors)
    adjusted = adjust_theta(tensors, spec.adjustment, start)
    return rule.pack(adjusted).float()

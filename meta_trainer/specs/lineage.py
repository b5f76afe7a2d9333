"""What a meta-training may start from: a Θ, or another job's checkpoint, of the same rule."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any, Final

from meta_trainer.specs.meta_training import MetaTrainingSpec
from meta_trainer.specs.problems import FieldProblem

LIMITS: Final = ("skip_zero_gradients", "direction_bound", "sparse_above")
"""Fields of a HyperAdam's rule that limit its directions, and say nothing of what Θ's numbers
mean: a job may have others than its parent."""
_WIDENINGS: Final = ("sees_network",)
"""Fields by which a rule's cells see more: Θ of one that sees less is one of theirs, too."""


def check_parent(spec: MetaTrainingSpec, rule: Any) -> None:
    """A Θ can start from another one only if the same rule runs both, up to the limits of its
    directions.

    Args:
        rule: the spec of the parent's rule, as its `Rule` has it.

    Raises:
        FieldProblem: blaming `parent`; the message names the first field of the rule that differs.
    """
    but = (*LIMITS, *_WIDENINGS) if _is_widened(spec.rule, rule) else LIMITS
    _check_same_rule(spec, rule, "parent", str(spec.parent), but=but)


def check_continuation(spec: MetaTrainingSpec, original: MetaTrainingSpec, n_episodes: int) -> None:
    """A job goes on from another one's checkpoint only if the same rule runs both, and if there is
    more to do.

    Args:
        original: the spec of the job that is continued.
        n_episodes: that the checkpoint has behind it.

    Raises:
        FieldProblem: blaming `continue_from.job` or `n_episodes`.
    """
    assert spec.continue_from is not None
    name = spec.continue_from.job
    _check_same_rule(spec, original.rule, "continue_from.job", name)
    if spec.n_episodes <= n_episodes:
        raise FieldProblem(
            "n_episodes",
            f"n_episodes must be more than {n_episodes}, the episodes that {name} has behind it "
            f"at update {spec.continue_from.checkpoint}: they count, too",
        )


def _is_widened(rule: Any, parent: Any) -> bool:
    """Whether the rule sees all that the parent's does, and more."""
    pairs = [(getattr(parent, name, False), getattr(rule, name, False)) for name in _WIDENINGS]
    return any(sees for _, sees in pairs) and all(sees or not saw for saw, sees in pairs)


def _check_same_rule(
    spec: MetaTrainingSpec,
    rule: Any,
    field: str,
    reference: str,
    but: Collection[str] = (),
) -> None:
    """The rule of what the field refers to is the spec's own, up to the parts named in `but`."""
    rule_of_job = asdict(spec.rule)
    rule_of_other = asdict(rule)
    for name in ["kind", *rule_of_job]:
        of_job = rule_of_job.get(name)
        of_other = rule_of_other.get(name)
        if name not in but and of_job != of_other:
            raise FieldProblem(
                field,
                f"{field} {reference} has rule.{name} {of_other!r}, but the job has {of_job!r}",
            )

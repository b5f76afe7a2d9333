"""Update rules: the pure functions that are meta-trained and that the optimizers run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from hyperadam.rules.base import CoordinateSums, Insight, Rule, RuleError, Tensors
from hyperadam.rules.dm import DMRule, DMSpec, DMState
from hyperadam.rules.hyperadam import HyperAdamRule, HyperAdamSpec, HyperAdamState
from hyperadam.rules.hyperadam_tensor import (
    HyperAdamTensorRule,
    HyperAdamTensorSpec,
    HyperAdamTensorState,
)
from hyperadam.rules.rnnprop import RNNpropRule, RNNpropSpec, RNNpropState

__all__ = [
    "CoordinateSums",
    "DMRule",
    "DMSpec",
    "DMState",
    "HyperAdamRule",
    "HyperAdamSpec",
    "HyperAdamState",
    "HyperAdamTensorRule",
    "HyperAdamTensorSpec",
    "HyperAdamTensorState",
    "Insight",
    "RNNpropRule",
    "RNNpropSpec",
    "RNNpropState",
    "Rule",
    "RuleError",
    "Tensors",
    "rule_from_spec",
]

_RULES: dict[str, tuple[type[Any], type[Any]]] = {
    "hyperadam": (HyperAdamRule, HyperAdamSpec),
    "hyperadam-tensor": (HyperAdamTensorRule, HyperAdamTensorSpec),
    "rnnprop": (RNNpropRule, RNNpropSpec),
    "dm": (DMRule, DMSpec),
}


def rule_from_spec(spec: Mapping[str, Any]) -> Rule[Any]:
    """The rule that a spec, as it stands in a Θ file or a job, describes.

    Raises:
        RuleError: the kind is unknown, a field is unknown, or a value is out of its range. The
            message names the field.
    """
    kind = spec.get("kind")
    if not isinstance(kind, str) or kind not in _RULES:
        raise RuleError(f"kind must be one of {', '.join(_RULES)}, got {kind!r}", field="kind")

    rule_type, spec_type = _RULES[kind]
    fields_by_name = {field.name: field for field in fields(spec_type)}
    unknown = sorted(set(spec) - set(fields_by_name))
    if unknown:
        raise RuleError(f"rule {kind!r} has no field {unknown[0]!r}", field=unknown[0])

    for name, value in spec.items():
        expected = type(fields_by_name[name].default)
        if not _has_type(value, expected):
            raise RuleError(f"{name} must be a {expected.__name__}, got {value!r}", field=name)

    return rule_type(spec_type(**spec))  # type: ignore[no-any-return]


def _has_type(value: object, expected: type) -> bool:
    """An integer will do for a float; True and False are no numbers."""
    if isinstance(value, bool):
        return expected is bool
    if expected is float:
        return isinstance(value, (int, float))
    return isinstance(value, expected)

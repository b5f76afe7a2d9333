"""Update rules: the pure functions that are meta-trained and that the optimizers run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from hyperadam.extensions import RULES, Extension, load_extensions
from hyperadam.rules.base import CoordinateSums, Insight, Rule, RuleError, Tensors
from hyperadam.rules.dm import DMRule, DMSpec, DMState
from hyperadam.rules.hyperadam import HyperAdamRule, HyperAdamSpec, HyperAdamState
from hyperadam.rules.hyperadam_tensor import HyperAdamTensorRule, HyperAdamTensorSpec
from hyperadam.rules.rnnprop import RNNpropRule, RNNpropSpec, RNNpropState
from hyperadam.rules.tensor_state import HyperAdamTensorState

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
    "installed_rules",
    "rule_from_spec",
]

_RULES: dict[str, tuple[type[Any], type[Any]]] = {
    "hyperadam": (HyperAdamRule, HyperAdamSpec),
    "hyperadam-tensor": (HyperAdamTensorRule, HyperAdamTensorSpec),
    "rnnprop": (RNNpropRule, RNNpropSpec),
    "dm": (DMRule, DMSpec),
}


@cache
def installed_rules() -> Mapping[str, Extension]:
    """Rules that an operator installed (`hyperadam.extensions`), by kind: classes of rules, whose
    `spec_type` is the dataclass that they are made from."""
    return load_extensions(RULES, _check_installed)


def _check_installed(kind: str, rule_type: Any) -> None:
    """
    Raises:
        TypeError, ValueError: it is no rule of this kind.
    """
    if not (isinstance(rule_type, type) and issubclass(rule_type, Rule)):
        raise TypeError(f"must be a subclass of hyperadam.rules.Rule, got {rule_type!r}")
    if kind in _RULES:
        raise ValueError(f"the kind {kind!r} is one of hyperadam's own")
    spec_type = getattr(rule_type, "spec_type", None)
    if not is_dataclass(spec_type) or not isinstance(spec_type, type):
        raise TypeError("must have a dataclass as its spec_type")
    if rule_type.kind != kind or getattr(spec_type(), "kind", None) != kind:
        raise ValueError(f"the kind of the rule and of its spec must be {kind!r}")
    rule_type(spec_type())  # type: ignore[call-arg]


def _find_types(kind: str) -> tuple[type[Any], type[Any]] | None:
    """The types of a rule and of its spec."""
    if kind in _RULES:
        return _RULES[kind]
    installed = installed_rules().get(kind)
    return None if installed is None else (installed.value, installed.value.spec_type)


def rule_from_spec(spec: Mapping[str, Any]) -> Rule[Any]:
    """The rule that a spec, as it stands in a Θ file or a job, describes.

    Raises:
        RuleError: the kind is unknown, a field is unknown, or a value is out of its range. The
            message names the field.
    """
    kind = spec.get("kind")
    types = _find_types(kind) if isinstance(kind, str) else None
    if types is None:
        kinds = ", ".join([*_RULES, *installed_rules()])
        raise RuleError(f"kind must be one of {kinds}, got {kind!r}", field="kind")

    rule_type, spec_type = types
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

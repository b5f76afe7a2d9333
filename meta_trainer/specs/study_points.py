"""Points of a study: a base meta-training with other values at some dotted paths."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from meta_trainer.specs.domains import format_value
from meta_trainer.specs.meta_training import MetaTrainingSpec
from meta_trainer.specs.plain_words import suggest
from meta_trainer.specs.presets import RECOMMENDED
from meta_trainer.specs.problems import FieldProblem, plain_message
from meta_trainer.specs.rates import path_of_today

_FIXED_PATHS: Final = ("seed", "register_as", "promote", "continue_from")
_RECOMMENDED_PATHS: Final = ("init", "register_as", "unroll.rate.lr")
"""What a rule of another kind brings along."""


def at_point(base: MetaTrainingSpec, values: Mapping[str, Any]) -> MetaTrainingSpec:
    """The base with other values at some dotted paths. A rule of another kind brings its own
    recommendations along. A value of an object stands before those of its fields.

    Raises:
        ValueError: the base does not take the values.
    """
    content = base.model_dump(mode="json")
    if _has_other_kind(values.get("rule"), base):
        for path in _RECOMMENDED_PATHS:
            parent, name = _find_parent(content, path)
            del parent[name]
        if base.register_as != _recommended_name(base.rule.kind):  # it was given
            content["register_as"] = base.register_as

    outer_first = sorted(values, key=lambda path: path.count("."))
    for path in outer_first:
        parent, name = _find_parent(content, path_of_today(path))
        parent[name] = copy.deepcopy(values[path])
    return MetaTrainingSpec.model_validate(content)


def _has_other_kind(rule: Any, base: MetaTrainingSpec) -> bool:
    """Whether a point's rule, if it has one, is of another kind than the base's."""
    if not isinstance(rule, dict):
        return False
    kind: object = rule.get("kind", base.rule.kind)
    return kind != base.rule.kind


def _recommended_name(kind: str) -> str:
    """What versions are called that a rule of this kind makes, where nothing else is said."""
    name: str = RECOMMENDED[kind].get("register_as", MetaTrainingSpec().register_as)
    return name


def _find_parent(content: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """The object that holds a field, and the field's name in it."""
    *outer, last = path.split(".")
    for key in outer:
        content = content.setdefault(key, {})
        if not isinstance(content, dict):
            raise FieldProblem(path, f"{path} is no field of a point whose {key} is no object")
    return content, last


def check_path(base: MetaTrainingSpec, path: str, context: Mapping[str, Any]) -> None:
    """A path of the space is a field of the base, and one that can be varied.

    Args:
        context: values of other fields with which it is varied, which the base takes.

    Raises:
        FieldProblem: naming the path.
    """
    field = f"space.{path}"
    where = f" where {describe_point(context)}" if context else ""
    value: Any = at_point(base, context).model_dump(mode="json")
    keys = path_of_today(path).split(".")
    for depth, key in enumerate(keys):
        if not isinstance(value, dict) or key not in value:
            known = value if isinstance(value, dict) else {}
            meant = suggest(key, [".".join([*keys[:depth], other]) for other in known])
            raise FieldProblem(
                field, f"{field} is no field of the base meta-training{where}{meant}"
            )
        value = value[key]

    if path == "seed":
        raise FieldProblem(field, f"{field} cannot be varied; seeds does that")
    if path in _FIXED_PATHS:
        raise FieldProblem(field, f"{field} cannot be varied")


def check_point(base: MetaTrainingSpec, values: Mapping[str, Any], field: str) -> None:
    """The base takes these values.

    Raises:
        FieldProblem: naming the field.
    """
    try:
        at_point(base, values)
    except ValueError as error:
        reasons = "; ".join(_list_reasons(error))
        raise FieldProblem(field, f"{field} admits {describe_point(values)}: {reasons}") from error


def describe_point(values: Mapping[str, Any]) -> str:
    """For people: the values by their paths."""
    return ", ".join(f"{path} = {format_value(value)}" for path, value in values.items())


def _list_reasons(error: ValueError) -> Iterator[str]:
    if not isinstance(error, ValidationError):
        yield str(error)
        return
    for details in error.errors(include_url=False, include_input=False):
        location = ".".join(map(str, details["loc"]))
        message = plain_message(details)
        yield f"{location}: {message}" if location else message

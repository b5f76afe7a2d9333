"""The fields of a rule's state in the entry of one parameter: their shapes, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hyperadam.optimizers.pieces import coordinate_shape, cut_field, find_piece
from hyperadam.rules import Rule


def holds_state(entry: Mapping[str, Any], rule: Rule[Any]) -> bool:
    """Whether a parameter's entry in a state is more than what others keep there."""
    return any(name in entry for name in rule.state_fields)


def make_template(rule: Rule[Any]) -> Any:
    """The rule's fields as one coordinate of one tensor has them. A rule needs a millisecond for
    it: whoever checks many parameters makes it once."""
    return rule.init_state(torch.zeros(1, device="cpu"))


def find_shape(rule: Rule[Any], name: str, field: Tensor, parameter: Tensor) -> tuple[int, ...]:
    """The shape that a field of a parameter, or of a piece of it, has in states and state dicts.

    Args:
        rule: whose state it is.
        name: of the field.
        field: over the coordinates in one row: (n, ·).
        parameter: the parameter, or the piece.
    """
    if name in rule.per_tensor_fields:
        return tuple(field.shape)
    return (*field.shape[:-1], *coordinate_shape(parameter))


def cut_fields(
    fields: Mapping[str, Tensor], rule: Rule[Any], parameter: Tensor, name: str
) -> dict[str, Tensor]:
    """What is here of the fields of a parameter.

    Raises:
        ValueError: a field is spread over processes, and the parameter is not.
    """
    cut = {}
    for field_name, field in fields.items():
        is_per_tensor = field_name in rule.per_tensor_fields
        label = f"state {field_name} of {name}"
        cut[field_name] = find_piece(field) if is_per_tensor else cut_field(field, parameter, label)
    return cut


def check_fields(
    entry: Mapping[str, Any], rule: Rule[Any], template: Any, parameter: Tensor, name: str
) -> dict[str, Tensor]:
    """The rule's fields in a parameter's entry; the others in it belong to somebody else.

    Args:
        template: of the rule's; see `make_template`.
        name: what errors call the parameter.

    Raises:
        ValueError: a field is missing, no tensor of real numbers, or of another shape.
    """
    names = template._fields
    if not set(names) <= set(entry):
        raise ValueError(f"state of {name} has fields {sorted(entry)}, not {sorted(names)}")

    fields = {}
    for field_name, one in template._asdict().items():
        field = entry[field_name]
        if not isinstance(field, Tensor) or not field.is_floating_point():
            kind = field.dtype if isinstance(field, Tensor) else type(field).__name__
            raise ValueError(
                f"state {field_name} of {name} must be a tensor of real numbers, got {kind}"
            )
        shape = find_shape(rule, field_name, one, parameter)
        if field.shape != shape:
            raise ValueError(
                f"state {field_name} of {name} has shape {tuple(field.shape)}, not {shape}"
            )
        fields[field_name] = field
    return fields


def check_values(fields: Mapping[str, Tensor], rule: Rule[Any], name: str) -> None:
    """The numbers of a parameter's fields are some that steps leave.

    Raises:
        ValueError: some are not finite, or below 0 where a rule has none such.
    """
    for field_name, whole in fields.items():
        field = find_piece(whole)
        if not bool(field.isfinite().all()):
            raise ValueError(f"state {field_name} of {name} has values that are not finite")
        if field_name in rule.non_negative_fields and bool((field < 0).any()):
            raise ValueError(f"state {field_name} of {name} has values below 0")

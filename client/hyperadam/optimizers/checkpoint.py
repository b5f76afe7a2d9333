"""The state of a learned optimizer in the form of torch's state dicts: per parameter, in the
parameter's shape."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from hyperadam.rules import Rule
from hyperadam.theta import Theta


def by_parameter(
    pieces: Mapping[Tensor, Any], rule: Rule[Any], parameters: Iterable[Tensor]
) -> defaultdict[Tensor, Any]:
    """Parameter → field → tensor, in the order of the parameters.

    Its shape is (·, *parameter.shape); (·, 1) of fields with one number a parameter.
    """
    state: defaultdict[Tensor, Any] = defaultdict(dict)
    for parameter in parameters:
        if parameter in pieces:
            fields = pieces[parameter]._asdict()
            state[parameter] = {
                name: field.reshape(_shape_in_file(rule, name, field, parameter))
                for name, field in fields.items()
            }
    return state


def read_state(
    loaded: Mapping[str, Any], rule: Rule[Any], parameters: Iterable[Tensor]
) -> dict[Tensor, Any]:
    """The inverse of `by_parameter`, from a state dict: parameter → its part of the state, in
    memory of its own.

    Raises:
        ValueError: fields or shapes are not those of the rule and the parameters. Groups that do
            not match are torch's to refuse.
    """
    indices = chain.from_iterable(group["params"] for group in loaded["param_groups"])
    return {
        parameter: _read_piece(loaded["state"][index], rule, parameter, index)
        for index, parameter in zip(indices, parameters, strict=False)
        if index in loaded["state"]
    }


def check_same_theta(loaded: Mapping[str, Any], theta: Theta) -> None:
    """Refuse a state dict that was made under another Θ: its state means nothing to this one.

    Raises:
        ValueError: naming both digests.
    """
    theirs = loaded.get("theta_sha256")
    if theirs is None:
        raise ValueError("state dict has no theta_sha256: it is not from a learned optimizer")
    if theirs != theta.sha256:
        raise ValueError(
            f"theta_sha256 of the state dict is {theirs}, this optimizer runs {theta.sha256}"
        )


def _read_piece(
    fields: Mapping[str, Tensor], rule: Rule[Any], parameter: Tensor, index: int
) -> Any:
    w = torch.empty(parameter.numel(), device="meta")
    fresh = rule.init_state(w, [parameter.shape])
    if set(fields) != set(fresh._fields):
        raise ValueError(
            f"state of parameter {index} has fields {sorted(fields)}, not {sorted(fresh._fields)}"
        )
    piece = []
    for name, expected in fresh._asdict().items():
        field = fields[name]
        shape = _shape_in_file(rule, name, expected, parameter)
        if field.shape != shape:
            raise ValueError(
                f"state {name} of parameter {index} has shape {tuple(field.shape)}, not {shape}"
            )
        own_copy = field.detach().to(parameter.device, copy=True)
        piece.append(own_copy.reshape(expected.shape))
    return fresh._make(piece)


def _shape_in_file(rule: Rule[Any], name: str, field: Tensor, parameter: Tensor) -> tuple[int, ...]:
    """The shape that a field of a parameter's piece has in a state dict."""
    if name in rule.per_tensor_fields:
        return tuple(field.shape)
    return (*field.shape[:-1], *parameter.shape)

"""What a state dict of a learned optimizer has beside torch's, and what is checked of one before it
is loaded."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from typing import Any, Final

from torch import Tensor

from hyperadam.optimizers.fields import check_fields, check_values, holds_state, make_template
from hyperadam.rules import Rule
from hyperadam.shipped import find_pretrained, pretrained
from hyperadam.theta import Theta

DIGEST: Final = "theta_sha256"
"""Of a state dict and of each of its groups: the digest of Θ. Tools that take a state dict apart
keep groups and states alone."""


def copy_entries(state: Mapping[Any, Any]) -> dict[Any, Any]:
    """Parameter or its number → field → value, tensors in memory of their own."""
    copied = {}
    for key, entry in state.items():
        is_entry = isinstance(entry, Mapping)
        copied[key] = (
            {name: _copy_value(value) for name, value in entry.items()} if is_entry else entry
        )
    return copied


def read_state(
    loaded: Mapping[str, Any], rule: Rule[Any], parameters: Iterable[Tensor]
) -> dict[Any, Any]:
    """The state in a state dict: parameter → field → tensor, in memory of its own, on the
    parameter's device and in the dtype that it was kept in.

    Raises:
        ValueError: fields or shapes are not those of the rule and the parameters, or values are
            none that a step leaves. Groups that do not match are torch's to refuse.
    """
    indices = chain.from_iterable(group["params"] for group in loaded["param_groups"])
    by_index = dict(zip(indices, parameters, strict=False))
    template = make_template(rule)
    state: dict[Any, Any] = {}
    for index, entry in loaded["state"].items():
        parameter = by_index.get(index)
        if parameter is None or not isinstance(entry, Mapping):
            state[index if parameter is None else parameter] = entry
            continue
        if holds_state(entry, rule):
            name = f"parameter {index}"
            check_values(check_fields(entry, rule, template, parameter, name), rule, name)
        state[parameter] = {
            name: _copy_value(value, like=parameter) for name, value in entry.items()
        }
    return state


def find_theta(loaded: Mapping[str, Any], own: Theta, kinds: Collection[str]) -> Theta:
    """The Θ that a state dict was made under, whose state means nothing to any other.

    Args:
        loaded: the state dict.
        own: what the optimizer runs.
        kinds: of rules, whose Θ the optimizer may take instead, if they come with the package.

    Raises:
        ValueError: it is another one, which the optimizer may not take; the message names both.
    """
    places = (loaded, *loaded.get("param_groups", ()))
    digests = {str(place[DIGEST]) for place in places if place.get(DIGEST) is not None}
    if not digests:
        raise ValueError(
            f"state dict has no {DIGEST}: it is not from a learned optimizer. What another one "
            "remembers says nothing to Θ: load the model alone, and begin with a new optimizer"
        )
    others = sorted(digests - {own.sha256})
    if not others:
        return own

    name = find_pretrained(others[0])
    if name is not None and len(digests) == 1:
        theta = pretrained(name)
        if theta.rule.kind in kinds:
            return theta
    advice = f"; make it with theta=hyperadam.pretrained({name!r})" if name else ""
    raise ValueError(
        f"{DIGEST} of the state dict is {_name_theta(others[0])}, "
        f"this optimizer runs {_name_theta(own.sha256)}{advice}"
    )


def warn_of_another_theta(theta: Theta, own: Theta) -> None:
    """Say that an optimizer goes on with the Θ of a state dict. Both come with the package.

    Args:
        theta: of the state dict.
        own: what the optimizer ran.
    """
    name = find_pretrained(theta.sha256)
    own_name = find_pretrained(own.sha256)
    warnings.warn(
        f"the state dict was made under {name}, and no theta was given to this optimizer: it goes "
        f"on with {name} instead of {own_name}; theta=hyperadam.pretrained({name!r}) says the same",
        stacklevel=3,
    )


def _name_theta(sha256: str) -> str:
    name = find_pretrained(sha256)
    return f"{sha256} ({name})" if name else sha256


def _copy_value(value: Any, like: Tensor | None = None) -> Any:
    if not isinstance(value, Tensor):
        return value
    device = value.device if like is None else like.device
    return value.detach().to(device, copy=True)

"""What a learned optimizer refuses, each with a sentence that names what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from hyperadam.optimizers.flat import FlatVector
from hyperadam.optimizers.groups import read_rate
from hyperadam.optimizers.habits import explain_theta
from hyperadam.optimizers.layouts import read_shapes
from hyperadam.optimizers.pieces import find_gradient
from hyperadam.theta import Theta

PARAMETER_DTYPES: Final = (
    torch.float32,
    torch.float64,
    torch.bfloat16,
    torch.float16,
    torch.complex64,
    torch.complex128,
)


def check_theta(theta: Theta, rule_kinds: Collection[str], optimizer: str) -> None:
    """Refuse what the optimizer of this name cannot run.

    Raises:
        TypeError: it is no Θ.
        ValueError: its rule is of another kind.
    """
    if not isinstance(theta, Theta):
        raise TypeError(explain_theta(theta))
    if theta.rule.kind not in rule_kinds:
        kinds = " or ".join(sorted(rule_kinds))
        raise ValueError(f"theta is of kind {theta.rule.kind!r}; {optimizer} runs {kinds}")


def check_group(group: Mapping[str, Any], optimizer: str) -> None:
    """Refuse a group of parameters. What is frozen in it is nobody's business.

    Raises:
        ValueError: a field of its rate is out of its bounds, its role is none that its
            parameters can have, or a parameter has no shape yet.
        TypeError: a parameter is not of a dtype that is optimized (`PARAMETER_DTYPES`).
    """
    read_rate(group)
    check_shapes_known(group["params"], optimizer)
    trainable = find_trainable(group["params"])
    check_dtypes(trainable, optimizer)
    read_shapes(trainable, group)


def find_trainable(parameters: Iterable[Tensor]) -> list[Tensor]:
    """Those that a gradient is wanted of."""
    return [parameter for parameter in parameters if parameter.requires_grad]


def check_dtypes(parameters: Iterable[Tensor], optimizer: str) -> None:
    """Refuse parameters that are no numbers to be moved.

    Raises:
        TypeError: naming the dtype; or a parameter's numbers are not what lies in memory.
    """
    for parameter in parameters:
        if parameter.dtype not in PARAMETER_DTYPES:
            raise TypeError(f"{optimizer} cannot optimize a parameter of dtype {parameter.dtype}")
        if parameter.is_neg() or parameter.is_conj():
            raise TypeError(
                f"{optimizer} cannot optimize a parameter of which torch has put off a change of "
                "sign: make it of a tensor's resolve_neg() or resolve_conj()"
            )


def check_shapes_known(parameters: Iterable[Tensor], optimizer: str) -> None:
    """Refuse parameters of lazy modules that have not met an input.

    Raises:
        ValueError: one has no shape yet.
    """
    if any(map(is_lazy, parameters)):
        raise ValueError(
            f"{optimizer} cannot take a parameter that has no shape yet, as those of lazy modules: "
            "run the model once on a batch, and make the optimizer then"
        )


def check_in_memory(parameters: Iterable[Tensor], optimizer: str) -> None:
    """Refuse parameters without numbers: a step could not move them, nor what took their place.

    Raises:
        RuntimeError: one that is trained is on the meta device.
    """
    if any(parameter.is_meta for parameter in find_trainable(parameters)):
        raise RuntimeError(
            f"{optimizer} has parameters on the meta device, which have no numbers. Where to_empty "
            "gave the model memory, it has other parameters now: make the optimizer after that"
        )


def check_strided(gradients: Sequence[Tensor], optimizer: str) -> None:
    """Refuse sparse gradients.

    Raises:
        RuntimeError: one is sparse.
    """
    if any(gradient.layout != torch.strided for gradient in gradients):
        raise RuntimeError(f"{optimizer} does not support sparse gradients; use sparse=False")


def explain_not_finite(vector: FlatVector, groups: Sequence[Mapping[str, Any]]) -> str:
    """Why the norm of the gradients is not finite: the first parameter to blame."""
    counts = [
        find_gradient(parameter).isfinite().logical_not().sum() for parameter in vector.parameters
    ]
    culprits: set[int] = set()
    if counts:
        (totals,) = vector.spread.add_columns(torch.stack(counts)[None])
        pairs = zip(vector.parameters, totals.tolist(), strict=True)
        culprits = {id(parameter) for parameter, total in pairs if total}
    for name, parameter in _named_parameters(groups):
        if id(parameter) in culprits:
            return (
                f"gradient of parameter {name} has values that are not finite; nothing was changed"
            )
    if vector.spread.has_others:
        return (
            "gradient of a parameter in another process has values that are not finite, or too "
            "large; nothing was changed"
        )
    return (
        f"gradient is too large: its squared norm overflows {vector.like.dtype}; "
        "nothing was changed"
    )


def _named_parameters(groups: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Tensor]]:
    for number, group in enumerate(groups):
        places = [f"{index} of group {number}" for index in range(len(group["params"]))]
        names = group.get("param_names") or places
        yield from zip(names, group["params"], strict=True)

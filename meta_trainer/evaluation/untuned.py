"""Optimizers at their packages' defaults, each learner with its own, on its tensors as a model has
them: what people take who do not want to tune.

Prodigy (Mishchenko and Defazio, 2023) is the package prodigyopt's, schedule-free AdamW (Defazio et
al., 2024) the package schedulefree's; AdamW and Muon (Jordan et al., 2024) are torch's. Packages
are imported where they are used, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from meta_trainer.learners import Shapes
from meta_trainer.specs.baselines import UntunedBaseline, UntunedName

EXTRA: Final = "hyperadam-server[field]"
"""What to install for the packages."""


class PackageMissing(RuntimeError):
    """An optimizer's package is not installed; the message says how to get it."""


class UntunedState(NamedTuple):
    """The optimizers hold their moments and change them in place: a state is used up by one
    step."""

    parameters: list[list[Parameter]]
    """Of each of L learners its tensors."""
    optimizers: list[list[Optimizer]]
    """Of each learner; together they have all its tensors."""


class Untuned:
    """A baseline at its defaults as the `InnerOptimizer` of L learners."""

    def __init__(self, baseline: UntunedBaseline) -> None:
        """
        Raises:
            PackageMissing: its package is not installed.
        """
        find_package_version(baseline)
        self._name = baseline.optimizer

    def init(self, w: Tensor, shapes: Shapes | None = None) -> UntunedState:
        shapes = [w.shape[-1:]] if shapes is None else shapes
        parameters = [[Parameter(part.clone()) for part in cut(row, shapes)] for row in w]
        optimizers = [open_optimizers(self._name, of_learner) for of_learner in parameters]
        return UntunedState(parameters, optimizers)

    def step(self, w: Tensor, gradient: Tensor, state: UntunedState) -> tuple[Tensor, UntunedState]:
        for row, row_gradient, parameters in zip(w, gradient, state.parameters, strict=True):
            shapes = [parameter.shape for parameter in parameters]
            _write(parameters, cut(row, shapes))
            parts = cut(row_gradient, shapes)
            for parameter, part in zip(parameters, parts, strict=True):
                parameter.grad = part.clone()  # some optimizers write to it
        for optimizers in state.optimizers:
            for optimizer in optimizers:
                optimizer.step()
        return _join(state.parameters), state

    def final_weights(self, w: Tensor, state: UntunedState) -> Tensor:  # noqa: ARG002
        """Averaged ones where the optimizer has them; it can go on from w."""
        for optimizers in state.optimizers:
            _switch(optimizers, "eval")
        averaged = _join(state.parameters)
        for optimizers in state.optimizers:
            _switch(optimizers, "train")
        return averaged


def open_optimizers(name: UntunedName, parameters: Sequence[Parameter]) -> list[Optimizer]:
    """Optimizers that together have all these parameters, ready to step.

    Raises:
        PackageMissing: the package is not installed.
    """
    try:
        optimizers = _OPENERS[name](list(parameters))
    except ModuleNotFoundError as error:
        raise _describe_missing(name, str(error.name)) from error
    _switch(optimizers, "train")
    return optimizers


def find_package_version(baseline: UntunedBaseline) -> str:
    """
    Raises:
        PackageMissing: the package is not installed.
    """
    try:
        return metadata.version(baseline.package)
    except metadata.PackageNotFoundError as error:
        raise _describe_missing(baseline.optimizer, baseline.package) from error


def _describe_missing(name: str, package: str) -> PackageMissing:
    return PackageMissing(
        f"baseline {name} needs the package {package}: pip install '{EXTRA}', "
        "or name other baselines"
    )


def cut(flat: Tensor, shapes: Shapes) -> list[Tensor]:
    """The tensors of a flat vector (p,), as views."""
    lengths = [torch.Size(shape).numel() for shape in shapes]
    parts = zip(flat.split(lengths), shapes, strict=True)
    return [part.view(tuple(shape)) for part, shape in parts]


def _join(parameters: Sequence[Sequence[Parameter]]) -> Tensor:
    """The inverse for L learners, shape (L, p); a copy."""
    rows = [torch.cat([p.detach().flatten() for p in of_learner]) for of_learner in parameters]
    return torch.stack(rows)


def _write(parameters: Sequence[Parameter], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)


def _switch(optimizers: Sequence[Any], mode: str) -> None:
    """Those with weights to train at and others to evaluate change between them."""
    for optimizer in optimizers:
        if hasattr(optimizer, mode):
            getattr(optimizer, mode)()


def _open_adamw(parameters: list[Parameter]) -> list[Optimizer]:
    return [torch.optim.AdamW(parameters)]


def _open_prodigy(parameters: list[Parameter]) -> list[Optimizer]:
    from prodigyopt import Prodigy

    return [Prodigy(parameters)]


def _open_schedule_free(parameters: list[Parameter]) -> list[Optimizer]:
    from schedulefree import AdamWScheduleFree

    return [AdamWScheduleFree(parameters)]


def _open_muon(parameters: list[Parameter]) -> list[Optimizer]:
    """Matrices by Muon, which takes no others; the rest by AdamW."""
    matrices = [parameter for parameter in parameters if parameter.ndim == 2]
    others = [parameter for parameter in parameters if parameter.ndim != 2]
    optimizers: list[Optimizer] = []
    if matrices:
        optimizers.append(torch.optim.Muon(matrices))
    if others:
        optimizers.append(torch.optim.AdamW(others))
    return optimizers


_OPENERS: Final[dict[UntunedName, Callable[[list[Parameter]], list[Optimizer]]]] = {
    "AdamW": _open_adamw,
    "Prodigy": _open_prodigy,
    "AdamWScheduleFree": _open_schedule_free,
    "Muon": _open_muon,
}

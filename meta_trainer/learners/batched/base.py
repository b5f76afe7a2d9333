"""What networks that are written as products over learners have in common: named parameters, cut
out of one flat vector, and their starts."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

import torch
from torch import Tensor

from meta_trainer.learners.base import Learner, Shapes

Start = Literal["initialization", "one", "zero", "unit", "places"]

_STDS: Final = {"unit": 1.0, "places": 0.02}
_CONSTANTS: Final = {"one": 1.0, "zero": 0.0}


class Parameter(NamedTuple):
    """A tensor of the network, as `torch.nn` shapes it."""

    shape: tuple[int, ...]
    start: Start = "initialization"
    """As the learner's `initialization` says; or ones, zeros, N(0, 1) as `nn.Embedding` has it, or
    N(0, .02²) as places have it."""


Parameters = Mapping[str, Parameter]
Tensors = Mapping[str, Tensor]
"""The parameters of L learners by name, each of shape (L, *shape)."""


class BatchedNetwork(Learner):
    """A network that takes all learners at once, with a loss for each example."""

    def __init__(self, parameters: Parameters, initialization: str = "normal") -> None:
        """
        Args:
            parameters: in the order of the flat vector; a vector that starts as `initialization`
                says is the bias of the weight before it.
        """
        self.initialization = initialization
        self._parameters = dict(parameters)
        self._lengths = [math.prod(parameter.shape) for parameter in parameters.values()]

    @property
    def n_coordinates(self) -> int:
        return sum(self._lengths)

    @property
    def shapes(self) -> Shapes:
        return [parameter.shape for parameter in self._parameters.values()]

    @property
    def is_separable(self) -> bool:
        return True

    @abstractmethod
    def compute_outputs(self, tensors: Tensors, inputs: Tensor) -> Tensor:
        """Shape (L, batch, …) for inputs (L, batch, …)."""

    @abstractmethod
    def compute_losses(self, outputs: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each example, shape (L, batch)."""

    def example_losses(self, w: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        outputs = self.compute_outputs(self.name_parameters(w), inputs)
        return self.compute_losses(outputs, inputs, targets)

    def losses(
        self,
        w: Tensor,
        inputs: Tensor,
        targets: Tensor,
        noise: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        return self.example_losses(w, inputs, targets).mean(1)

    def start(
        self,
        generators: Sequence[torch.Generator],
        std: float | Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        w = super().start(generators, std, dtype)
        for name, tensor in self.name_parameters(w).items():
            start = self._parameters[name].start
            if start in _CONSTANTS:
                tensor.fill_(_CONSTANTS[start])
            elif start in _STDS:
                draws = [torch.randn(tensor.shape[1:], generator=g) for g in generators]
                tensor.copy_(torch.stack(draws) * _STDS[start])
        return w

    def name_parameters(self, w: Tensor) -> dict[str, Tensor]:
        """Views of w (L, p) by name, each of shape (L, *shape)."""
        tensors = {}
        parts = w.split(self._lengths, dim=1)
        for (name, parameter), part in zip(self._parameters.items(), parts, strict=True):
            tensors[name] = part.view(len(w), *parameter.shape)
        return tensors

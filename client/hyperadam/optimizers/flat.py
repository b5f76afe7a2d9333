"""Many parameters as one flat vector: what stands between `torch.optim`, which thinks in tensors,
and a rule, which thinks in coordinates. Its state is in `hyperadam.optimizers.flat_state`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import torch
from torch import Tensor


def one_device(parameters: Iterable[Tensor]) -> torch.device:
    """The device that all parameters are on.

    Raises:
        ValueError: they are on several.
    """
    devices = {parameter.device for parameter in parameters}
    if len(devices) > 1:
        names = ", ".join(sorted(map(str, devices)))
        raise ValueError(
            f"parameters must be on one device, got {names}: "
            "norms are taken over all of them together"
        )
    return devices.pop()


class FlatVector:
    """A buffer over all coordinates of some parameters; made when it is first needed and used again
    in every step."""

    def __init__(self, parameters: Sequence[Tensor], dtype: torch.dtype) -> None:
        self.parameters = tuple(parameters)
        self.sizes = [parameter.numel() for parameter in parameters]
        self.n_coordinates = sum(self.sizes)
        self.like = torch.empty(0, dtype=dtype, device=one_device(parameters))
        """Has the buffer's dtype and device, and no coordinates."""
        self._shapes = [parameter.shape for parameter in parameters]

    @cached_property
    def buffer(self) -> Tensor:
        """Shape (p,)."""
        return self.like.new_empty(self.n_coordinates)

    @cached_property
    def views(self) -> list[Tensor]:
        """Of the buffer, in the shape of every parameter."""
        pieces = zip(self.buffer.split(self.sizes), self._shapes, strict=True)
        return [piece.view(shape) for piece, shape in pieces]

    def fits(self, parameters: Sequence[Tensor], dtype: torch.dtype) -> bool:
        """Whether this is the vector of exactly these parameters, as they are now."""
        if len(self.parameters) != len(parameters) or self.like.dtype != dtype:
            return False
        triples = zip(self.parameters, parameters, self._shapes, strict=True)
        same_parameters = all(
            mine is theirs and theirs.shape == shape for mine, theirs, shape in triples
        )
        return same_parameters and self.like.device == parameters[0].device

    def norm(self) -> float:
        """Euclidean; not finite if any coordinate is not, or if its square overflows the buffer's
        dtype."""
        return float(torch.linalg.vector_norm(self.buffer, out=self._norm))

    @cached_property
    def _norm(self) -> Tensor:
        return self.like.new_empty(())

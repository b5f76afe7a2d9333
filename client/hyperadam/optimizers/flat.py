"""Many parameters as one flat vector: what stands between `torch.optim`, which thinks in tensors,
and a rule, which thinks in coordinates. Its state is in `hyperadam.optimizers.flat_state`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    """A buffer over all coordinates of some parameters; made once and used again in every step."""

    def __init__(self, parameters: Sequence[Tensor], dtype: torch.dtype) -> None:
        self.parameters = tuple(parameters)
        self.sizes = [parameter.numel() for parameter in parameters]
        n_coordinates = sum(self.sizes)
        self.buffer = torch.empty(n_coordinates, dtype=dtype, device=one_device(parameters))
        pieces = zip(self.buffer.split(self.sizes), parameters, strict=True)
        self.views = [piece.view(parameter.shape) for piece, parameter in pieces]
        self._norm = self.buffer.new_empty(())

    def fits(self, parameters: Sequence[Tensor], dtype: torch.dtype) -> bool:
        """Whether this is the vector of exactly these parameters, as they are now."""
        if len(self.parameters) != len(parameters) or self.buffer.dtype != dtype:
            return False
        triples = zip(self.parameters, parameters, self.views, strict=True)
        same_parameters = all(
            mine is theirs and theirs.shape == view.shape for mine, theirs, view in triples
        )
        return same_parameters and self.buffer.device == parameters[0].device

    def norm(self) -> float:
        """Euclidean; not finite if any coordinate is not, or if its square overflows the buffer's
        dtype."""
        return float(torch.linalg.vector_norm(self.buffer, out=self._norm))

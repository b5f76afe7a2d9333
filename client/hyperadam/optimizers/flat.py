"""Many parameters as one flat vector: what stands between `torch.optim`, which thinks in tensors,
and a rule, which thinks in coordinates. Its state is in `hyperadam.optimizers.flat_state`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from hyperadam.optimizers.pieces import find_piece
from hyperadam.optimizers.spread import Others, Spread


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
    """A buffer over all coordinates of some parameters that are in this process; made when it is
    first needed and used again in every step."""

    def __init__(
        self, parameters: Sequence[Tensor], dtype: torch.dtype, others: Others | None = None
    ) -> None:
        """
        Args:
            parameters: those that move.
            dtype: what is computed in.
            others: processes that have other parameters, if any: there may be no parameters then.
        """
        self.parameters = tuple(parameters)
        self._shapes = [find_piece(parameter).shape for parameter in parameters]
        self.sizes = [shape.numel() for shape in self._shapes]
        self.n_coordinates = sum(self.sizes)
        device = others.device if others and not parameters else one_device(parameters)
        self.like = torch.empty(0, dtype=dtype, device=device)
        """Has the buffer's dtype and device, and no coordinates."""
        self.spread = Spread(parameters, self.sizes, others)

    @cached_property
    def buffer(self) -> Tensor:
        """Shape (p,)."""
        return self.like.new_empty(self.n_coordinates)

    @cached_property
    def views(self) -> list[Tensor]:
        """Of the buffer, in the shape of what is here of every parameter."""
        pieces = zip(self.buffer.split(self.sizes), self._shapes, strict=True)
        return [piece.view(shape) for piece, shape in pieces]

    def fits(self, parameters: Sequence[Tensor], dtype: torch.dtype) -> bool:
        """Whether this is the vector of exactly these parameters, as they are now."""
        if len(self.parameters) != len(parameters) or self.like.dtype != dtype:
            return False
        triples = zip(self.parameters, parameters, self._shapes, strict=True)
        same_parameters = all(
            mine is theirs and find_piece(theirs).shape == shape for mine, theirs, shape in triples
        )
        same_device = not parameters or self.like.device == parameters[0].device
        return same_parameters and same_device

    def norm(self) -> float:
        """Euclidean; not finite if any coordinate is not, or if its square overflows the buffer's
        dtype."""
        return float(torch.linalg.vector_norm(self.buffer, out=self._norm))

    @cached_property
    def _norm(self) -> Tensor:
        return self.like.new_empty(())

"""Many parameters as one flat vector: what stands between `torch.optim`, which thinks in tensors,
and a rule, which thinks in coordinates.

`FlatVector` is a buffer with a view in the shape of every parameter. `FlatState` keeps a rule's
state flat for the parameters that moved in the last step, and in pieces, one a parameter, for those
that did not: steps over the same parameters copy nothing. Of a rule's `per_tensor_fields`, a piece
has one number in each row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hyperadam.rules import Rule


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
        """Whether this is the vector of exactly these parameters, where they are now."""
        if len(self.parameters) != len(parameters) or self.buffer.dtype != dtype:
            return False
        pairs = zip(self.parameters, parameters, strict=True)
        same_parameters = all(mine is theirs for mine, theirs in pairs)
        return same_parameters and self.buffer.device == parameters[0].device

    def norm(self) -> float:
        """Euclidean; not finite if any coordinate is not, or if its square overflows the buffer's
        dtype."""
        return float(torch.linalg.vector_norm(self.buffer, out=self._norm))


class FlatState:
    """A rule's state over the parameters of an optimizer; steps change it in place."""

    def __init__(self, rule: Rule[Any]) -> None:
        self._rule = rule
        self._joined: tuple[FlatVector, Any] | None = None
        self._parked: dict[Tensor, Any] = {}

    def over(self, vector: FlatVector, dtype: torch.dtype) -> Any:
        """The state of the vector's parameters, in its order and in `dtype`; a fresh one for those
        that have none."""
        if self._joined is not None:
            joined_vector, joined_state = self._joined
            if joined_vector is vector and joined_state[0].dtype == dtype:
                return joined_state

        parked = self.pieces()
        pieces = []
        for parameter in vector.parameters:
            piece = parked.pop(parameter, None)
            if piece is None:
                piece = self._begin(parameter, vector.buffer, dtype)
            pieces.append(piece)

        state = self._join(pieces, vector.buffer, dtype)
        self._joined = (vector, state)
        # Clones, since views of the vector that is left would keep all of it alive.
        self._parked = {parameter: _clone(piece) for parameter, piece in parked.items()}
        return state

    def pieces(self) -> dict[Tensor, Any]:
        """Parameter → its part of the state, fields of shape (·, numel) or, with one number a
        parameter, (·, 1): views, which later steps change."""
        pieces = dict(self._parked)
        if self._joined is not None:
            vector, state = self._joined
            pieces.update(zip(vector.parameters, self._cut(state, vector.sizes), strict=True))
        return pieces

    def replace(self, pieces: Mapping[Tensor, Any]) -> None:
        """Forget everything and go on from these pieces."""
        self._joined = None
        self._parked = dict(pieces)

    def _begin(self, parameter: Tensor, like: Tensor, dtype: torch.dtype) -> Any:
        """The state of a parameter that has not moved yet: computed as `like`, kept in `dtype`."""
        w = parameter.detach().reshape(-1).to(like)
        return self._rule.cast_state(self._rule.init_state(w, [parameter.shape]), dtype)

    def _cut(self, state: Any, sizes: list[int]) -> list[Any]:
        """The inverse of `_join`: for each parameter, views."""
        per_tensor = self._rule.per_tensor_fields
        fields = [
            field.split(1 if name in per_tensor else sizes, -1)
            for name, field in state._asdict().items()
        ]
        return [state._make(parts) for parts in zip(*fields, strict=True)]

    def _join(self, states: list[Any], like: Tensor, dtype: torch.dtype) -> Any:
        """One parameter's state after the other.

        Args:
            like: gives the device, and the dtype of fields with one number a parameter.
            dtype: what the other fields are stored in.
        """
        fields = []
        for name, parts in zip(states[0]._fields, zip(*states, strict=True), strict=True):
            stored = like.dtype if name in self._rule.per_tensor_fields else dtype
            fields.append(_join_field(parts, like.device, stored))
        return states[0]._make(fields)


def _clone(state: Any) -> Any:
    return state._make(field.clone() for field in state)


def _join_field(parts: Sequence[Tensor], device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.cat([part.to(device, dtype) for part in parts], -1)

"""A rule's state, flat for the rule and by parameter for everyone else.

What is true is the optimizer's own `state`, parameter → field → tensor, as in any torch optimizer:
it may be read, changed, cleared and replaced. For the parameters that moved in the last step its
tensors are views of flat fields, on which the rule works in place. Only when something else stands
there, or other parameters move, are flat fields made anew. Fields of a DTensor are DTensors that
lie as it does, and the views are their local tensors.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from operator import is_
from typing import Any, Final

import torch
from torch import Tensor

from hyperadam.optimizers.fields import (
    check_fields,
    cut_fields,
    find_shape,
    holds_state,
    make_template,
)
from hyperadam.optimizers.flat import FlatVector
from hyperadam.optimizers.pieces import find_piece, spread_field
from hyperadam.rules import Rule

State = MutableMapping[Tensor, Any]
"""Of an optimizer: parameter → field → tensor, among entries of others."""


class FlatState:
    """The flat fields of the parameters that moved last, and the tensors that were given out: views
    of them, or DTensors around those.

    A field of a parameter is of shape (·, *parameter.shape), of a complex one
    (·, *parameter.shape, 2), or (·, 1) where a rule has one number a parameter.
    """

    def __init__(self, rule: Rule[Any]) -> None:
        self._rule: Final = rule
        self._template: Final = make_template(rule)
        self.forget()

    def forget(self) -> None:
        """Let go of the flat fields: the next step makes them of what stands in the state."""
        self._vector: FlatVector | None = None
        self._joined: Any = None
        self._given: dict[str, list[Tensor]] = {}
        self._views: dict[str, list[Tensor]] = {}
        self._places: dict[str, list[int]] = {}

    def over(
        self,
        vector: FlatVector,
        dtype: torch.dtype,
        state: State,
        shapes: Sequence[Sequence[int]],
    ) -> Any:
        """The state of the vector's parameters, in its order and in `dtype`; a fresh one for those
        that have none.

        Args:
            vector: the parameters.
            dtype: what fields with a number a coordinate are stored in.
            state: of the optimizer.
            shapes: how that of each parameter is to be read, where its state is fresh.

        Raises:
            ValueError: what stands in `state` for a parameter is not a state of the rule's.
        """
        is_current = self._vector is vector and self._joined[0].dtype == dtype
        if not (is_current and self._given_stand_in(state)):
            self._join(vector, dtype, state, shapes)
        return self._joined

    def _given_stand_in(self, state: State) -> bool:
        """Whether nothing was replaced; what was changed in place is ours."""
        assert self._vector is not None
        entries = [state.get(parameter, {}) for parameter in self._vector.parameters]
        for name, given in self._given.items():
            standing = [entry.get(name) for entry in entries]
            places = _list_addresses(self._views[name])
            if not all(map(is_, standing, given)) or places != self._places[name]:
                return False
        return True

    def _join(
        self,
        vector: FlatVector,
        dtype: torch.dtype,
        state: State,
        shapes: Sequence[Sequence[int]],
    ) -> None:
        """Flat fields for the vector, field by field: beside the state, memory for one field is
        enough."""
        begun = self._find_all_fields(vector, state, shapes)
        left = self._find_left(vector)
        self.forget()

        joined = {}
        for name, field in self._template._asdict().items():
            is_per_tensor = name in self._rule.per_tensor_fields
            stored = vector.like.dtype if is_per_tensor else dtype
            sizes = [1] * len(vector.sizes) if is_per_tensor else vector.sizes
            flat = vector.like.new_zeros((len(field), sum(sizes)), dtype=stored)
            views = []
            given = []
            for parameter, part, fields in zip(
                vector.parameters, flat.split(sizes, -1), begun, strict=True
            ):
                view = part.view(find_shape(self._rule, name, part, find_piece(parameter)))
                if name in fields:
                    view.copy_(fields.pop(name))
                views.append(view)
                given.append(view if is_per_tensor else spread_field(view, parameter))
                state.setdefault(parameter, {})[name] = given[-1]
            joined[name] = flat
            self._given[name] = given
            self._views[name] = views
            self._places[name] = _list_addresses(views)
            _clone_given(name, left, state)

        self._vector = vector
        self._joined = self._template._make(joined.values())
        if not vector.spread.is_trivial:
            self._joined = self._rule.with_lengths(self._joined, vector.sizes)

    def _find_all_fields(
        self, vector: FlatVector, state: State, shapes: Sequence[Sequence[int]]
    ) -> list[dict[str, Tensor]]:
        """What the fields of each parameter begin with: what is here of those that stand in the
        state, or, of a parameter that has none, its numbers a parameter; the others are 0."""
        begun: list[dict[str, Tensor]] = []
        fresh = []
        for index, parameter in enumerate(vector.parameters):
            entry = state.get(parameter, {})
            if holds_state(entry, self._rule):
                name = f"the parameter at place {index} of those with gradients"
                fields = check_fields(entry, self._rule, self._template, parameter, name)
                begun.append(cut_fields(fields, self._rule, parameter, name))
            else:
                fresh.append(index)
                begun.append({})
        if fresh and self._rule.per_tensor_fields:
            square_means = _measure_square_means(vector)
            columns = self._rule.begin_tensors(square_means, shapes, vector.spread.n_whole)
            for index in fresh:
                begun[index] = {
                    name: field[:, index : index + 1] for name, field in columns.items()
                }
        return begun

    def _find_left(self, vector: FlatVector) -> dict[str, list[tuple[Tensor, Tensor]]]:
        """Parameters that are not in the vector, with what was given out of their fields of now."""
        if self._vector is None:
            return {}
        staying = {id(parameter) for parameter in vector.parameters}
        left: dict[str, list[tuple[Tensor, Tensor]]] = {}
        for name, given in self._given.items():
            pairs = zip(self._vector.parameters, given, strict=True)
            left[name] = [
                (parameter, tensor) for parameter, tensor in pairs if id(parameter) not in staying
            ]
        return left


def _measure_square_means(vector: FlatVector) -> Tensor:
    """⟨w²⟩ of every parameter, over all of it; shape (1, k)."""
    means = []
    for parameter in vector.parameters:
        w = find_piece(parameter.detach()).reshape(-1).to(vector.like)
        means.append((w * w).sum(-1, keepdim=True) / max(1, len(w)))
    return vector.spread.average_columns(torch.cat(means)[None])


def _list_addresses(views: list[Tensor]) -> list[int]:
    return list(map(Tensor.data_ptr, views))


def _clone_given(name: str, left: dict[str, list[tuple[Tensor, Tensor]]], state: State) -> None:
    """Give parameters that stay behind memory of their own: a view would keep all of the field."""
    for parameter, tensor in left.pop(name, []):
        entry = state.get(parameter, {})
        if entry.get(name) is tensor:
            entry[name] = tensor.clone()

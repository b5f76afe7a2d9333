"""A rule's state, flat for the rule and by parameter for everyone else.

What is true is the optimizer's own `state`, parameter → field → tensor, as in any torch optimizer:
it may be read, changed, cleared and replaced. For the parameters that moved in the last step its
tensors are views of flat fields, on which the rule works in place. Only when something else stands
there, or other parameters move, are flat fields made anew.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from operator import is_
from typing import Any, Final

import torch
from torch import Tensor

from hyperadam.optimizers.flat import FlatVector
from hyperadam.rules import Rule

State = MutableMapping[Tensor, Any]
"""Of an optimizer: parameter → field → tensor, among entries of others."""


class FlatState:
    """The flat fields of the parameters that moved last, and the views of them that were given out.

    A field's view for a parameter is of shape (·, *parameter.shape), or (·, 1) where a rule has one
    number a parameter.
    """

    def __init__(self, rule: Rule[Any]) -> None:
        self._rule: Final = rule
        self.forget()

    def forget(self) -> None:
        """Let go of the flat fields: the next step makes them of what stands in the state."""
        self._vector: FlatVector | None = None
        self._joined: Any = None
        self._views: dict[str, list[Tensor]] = {}
        self._places: dict[str, list[int]] = {}

    def over(self, vector: FlatVector, dtype: torch.dtype, state: State) -> Any:
        """The state of the vector's parameters, in its order and in `dtype`; a fresh one for those
        that have none.

        Raises:
            ValueError: what stands in `state` for a parameter is not a state of the rule's.
        """
        is_current = self._vector is vector and self._joined[0].dtype == dtype
        if not (is_current and self._views_stand_in(state)):
            self._join(vector, dtype, state)
        return self._joined

    def _views_stand_in(self, state: State) -> bool:
        """Whether nothing was replaced; what was changed in place is ours."""
        assert self._vector is not None
        entries = [state.get(parameter, {}) for parameter in self._vector.parameters]
        for name, views in self._views.items():
            standing = [entry.get(name) for entry in entries]
            if not all(map(is_, standing, views)) or _list_addresses(views) != self._places[name]:
                return False
        return True

    def _join(self, vector: FlatVector, dtype: torch.dtype, state: State) -> None:
        """Flat fields for the vector, field by field: beside the state, memory for one field is
        enough."""
        begun = [
            self._find_fields(parameter, index, vector.like, state)
            for index, parameter in enumerate(vector.parameters)
        ]
        left_views = self._find_left_views(vector)
        self.forget()

        shapes = [parameter.shape for parameter in vector.parameters]
        n_coordinates = vector.n_coordinates
        template = self._rule.init_state(torch.empty(n_coordinates, device="meta"), shapes)
        joined = {}
        for name, field in template._asdict().items():
            is_per_tensor = name in self._rule.per_tensor_fields
            stored = vector.like.dtype if is_per_tensor else dtype
            flat = vector.like.new_zeros(field.shape, dtype=stored)
            sizes = [1] * len(shapes) if is_per_tensor else vector.sizes
            views = []
            for parameter, part, fields in zip(
                vector.parameters, flat.split(sizes, -1), begun, strict=True
            ):
                view = part.view(find_shape(self._rule, name, part, parameter))
                if name in fields:
                    view.copy_(fields.pop(name))
                state.setdefault(parameter, {})[name] = view
                views.append(view)
            joined[name] = flat
            self._views[name] = views
            self._places[name] = _list_addresses(views)
            _clone_views(name, left_views, state)

        self._vector = vector
        self._joined = template._make(joined.values())

    def _find_fields(
        self, parameter: Tensor, index: int, like: Tensor, state: State
    ) -> dict[str, Tensor]:
        """What a parameter's fields begin with: those that stand in the state, or, of one that has
        none, its numbers a parameter; the others are 0."""
        entry = state.get(parameter, {})
        if holds_state(entry, self._rule):
            name = f"the parameter at place {index} of those with gradients"
            return check_fields(entry, self._rule, parameter, name)

        per_tensor = self._rule.per_tensor_fields
        if not per_tensor:
            return {}
        w = parameter.detach().reshape(-1).to(like)
        fresh = self._rule.init_state(w, [parameter.shape])._asdict()
        return {name: fresh[name] for name in per_tensor}

    def _find_left_views(self, vector: FlatVector) -> dict[str, list[tuple[Tensor, Tensor]]]:
        """Parameters that are not in the vector, with their views of the flat fields of now."""
        if self._vector is None:
            return {}
        staying = {id(parameter) for parameter in vector.parameters}
        left: dict[str, list[tuple[Tensor, Tensor]]] = {}
        for name, views in self._views.items():
            pairs = zip(self._vector.parameters, views, strict=True)
            left[name] = [
                (parameter, view) for parameter, view in pairs if id(parameter) not in staying
            ]
        return left


def _list_addresses(views: list[Tensor]) -> list[int]:
    return list(map(Tensor.data_ptr, views))


def _clone_views(
    name: str, left_views: dict[str, list[tuple[Tensor, Tensor]]], state: State
) -> None:
    """Give parameters that stay behind memory of their own: a view would keep all of the field."""
    for parameter, view in left_views.pop(name, []):
        entry = state.get(parameter, {})
        if entry.get(name) is view:
            entry[name] = view.clone()


def holds_state(entry: Mapping[str, Any], rule: Rule[Any]) -> bool:
    """Whether a parameter's entry in a state is more than what others keep there."""
    return any(name in entry for name in rule.state_fields)


def find_shape(rule: Rule[Any], name: str, field: Tensor, parameter: Tensor) -> tuple[int, ...]:
    """The shape that a field of a parameter has in states and state dicts."""
    if name in rule.per_tensor_fields:
        return tuple(field.shape)
    return (*field.shape[:-1], *parameter.shape)


def check_fields(
    entry: Mapping[str, Any], rule: Rule[Any], parameter: Tensor, name: str
) -> dict[str, Tensor]:
    """The rule's fields in a parameter's entry; the others in it belong to somebody else.

    Args:
        name: what errors call the parameter.

    Raises:
        ValueError: a field is missing, no tensor of real numbers, or of another shape.
    """
    w = torch.empty(parameter.numel(), device="meta")
    fresh = rule.init_state(w, [parameter.shape])
    if not set(fresh._fields) <= set(entry):
        raise ValueError(f"state of {name} has fields {sorted(entry)}, not {sorted(fresh._fields)}")

    fields = {}
    for field_name, template in fresh._asdict().items():
        field = entry[field_name]
        if not isinstance(field, Tensor) or not field.is_floating_point():
            kind = field.dtype if isinstance(field, Tensor) else type(field).__name__
            raise ValueError(
                f"state {field_name} of {name} must be a tensor of real numbers, got {kind}"
            )
        shape = find_shape(rule, field_name, template, parameter)
        if field.shape != shape:
            raise ValueError(
                f"state {field_name} of {name} has shape {tuple(field.shape)}, not {shape}"
            )
        fields[field_name] = field
    return fields


def check_values(fields: Mapping[str, Tensor], rule: Rule[Any], name: str) -> None:
    """The numbers of a parameter's fields are some that steps leave.

    Raises:
        ValueError: some are not finite, or below 0 where a rule has none such.
    """
    for field_name, field in fields.items():
        if not bool(field.isfinite().all()):
            raise ValueError(f"state {field_name} of {name} has values that are not finite")
        if field_name in rule.non_negative_fields and bool((field < 0).any()):
            raise ValueError(f"state {field_name} of {name} has values below 0")

"""What a learned optimizer is doing to each tensor: how far it goes, and how it mixes and forgets.

It is read from the state as it is between two steps (`hyperadam.rules.Rule.look_inside`), so that
it costs about as much as a step in plain torch, and nothing while nobody asks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hyperadam.optimizers.fields import holds_state, make_template
from hyperadam.optimizers.flat_state import State
from hyperadam.optimizers.groups import read_rate
from hyperadam.optimizers.layouts import find_shares
from hyperadam.optimizers.pieces import coordinate_shape, find_piece
from hyperadam.theta import Theta


@dataclass(frozen=True, kw_only=True)
class TensorInsight:
    """One parameter of an optimizer."""

    name: str
    """As in named parameters; without names, its place in its group: `0.3`."""
    shape: tuple[int, ...]
    """Of its coordinates: the last dimension of a complex one has its two parts."""
    n_steps: int
    """Steps that lie behind its group."""
    effective_lr: float
    """α_t times its share by shape, of the next step."""
    weight_rms: float
    """⟨w²⟩^½."""
    direction_rms: float
    """⟨d²⟩^½."""
    mixture: tuple[float, ...]
    """ρ_j, the mean over its coordinates; empty where the rule has none."""
    beta: tuple[float, ...]
    """Decay rates of first moments likewise."""
    gamma: tuple[float, ...]
    """Decay rates of second moments likewise."""

    @property
    def n_coordinates(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def relative_step(self) -> float:
        """How long a step is beside the weights: α_t share ⟨d²⟩^½ / ⟨w²⟩^½; infinite where all
        weights are 0."""
        step = self.effective_lr * self.direction_rms
        if self.weight_rms == 0:
            return math.inf if step else 0.0
        return step / self.weight_rms


class _Place:
    """A parameter that has a state, and where it stands."""

    def __init__(self, group: Mapping[str, Any], name: str, parameter: Tensor) -> None:
        self.group = group
        self.name = name
        self.parameter = parameter


@torch.no_grad()
def inspect_tensors(
    groups: Sequence[Mapping[str, Any]], state: State, theta: Theta
) -> list[TensorInsight]:
    """One entry for each parameter that has moved, in the order of the groups.

    Args:
        groups: of an optimizer.
        state: its state.
        theta: the Θ that it runs.
    """
    places = [
        place for place in _find_places(groups) if holds_state(state[place.parameter], theta.rule)
    ]
    together = [places] if theta.rule.joins_parameters else [[place] for place in places]
    template = make_template(theta.rule)
    insights: list[TensorInsight] = []
    for some in filter(None, together):
        insights += _inspect(some, state, theta, template)
    return insights


def _find_places(groups: Sequence[Mapping[str, Any]]) -> Iterator[_Place]:
    for number, group in enumerate(groups):
        numbered = [f"{number}.{index}" for index in range(len(group["params"]))]
        names = group.get("param_names") or numbered
        for name, parameter in zip(names, group["params"], strict=True):
            yield _Place(group, name, parameter)


def _inspect(
    places: Sequence[_Place], state: State, theta: Theta, template: Any
) -> Iterator[TensorInsight]:
    """Those whose norms are taken together."""
    joined = _join(places, state, template)
    tensors = {name: tensor.to(joined[0]) for name, tensor in theta.tensors.items()}
    insight = theta.rule.look_inside(tensors, joined)
    if insight is None:
        return
    sizes = [coordinate_shape(place.parameter).numel() for place in places]
    directions = insight.direction.split(sizes)
    mixtures = _average_each(insight.mixture, sizes)
    betas = _average_each(insight.beta, sizes)
    gammas = _average_each(insight.gamma, sizes)
    for index, place in enumerate(places):
        yield TensorInsight(
            **_describe(place),
            direction_rms=_measure_rms(directions[index]),
            mixture=mixtures[index],
            beta=betas[index],
            gamma=gammas[index],
        )


def _join(places: Sequence[_Place], state: State, template: Any) -> Any:
    """The state of some parameters as the rule has it, parameter after parameter."""
    fields = []
    for name in template._fields:
        parts = [_whole(state[place.parameter][name]).flatten(1) for place in places]
        joined = torch.cat(parts, dim=-1)
        wide = torch.promote_types(joined.dtype, torch.float32)
        fields.append(joined.to(wide))
    return type(template)._make(fields)


def _average_each(field: Tensor | None, sizes: Sequence[int]) -> list[tuple[float, ...]]:
    """The means over each parameter's coordinates; of a field with one number a tensor, that
    number."""
    if field is None:
        return [() for _ in sizes]
    is_per_tensor = field.shape[-1] == len(sizes) != sum(sizes)
    parts = field.split([1] * len(sizes) if is_per_tensor else list(sizes), dim=-1)
    return [tuple(part.mean(-1).tolist()) for part in parts]


def _describe(place: _Place) -> dict[str, Any]:
    """What the state does not say."""
    group = place.group
    rate = read_rate(group)
    parameter = place.parameter
    shares = find_shares([parameter], rate, group) or [1.0]
    return {
        "name": place.name,
        "shape": tuple(coordinate_shape(parameter)),
        "n_steps": group["n_steps"],
        "effective_lr": rate.at(group["n_steps"]) * shares[0],
        "weight_rms": _measure_rms(find_piece(_whole(parameter))),
    }


def _whole(tensor: Tensor) -> Tensor:
    """Of one that is spread over processes, all of it."""
    gather = getattr(tensor, "full_tensor", None)
    whole: Tensor = tensor if gather is None else gather()
    return whole


def _measure_rms(tensor: Tensor) -> float:
    wide = torch.promote_types(tensor.dtype, torch.float32)
    norm = torch.linalg.vector_norm(tensor, dtype=wide)
    return float(norm) / math.sqrt(max(tensor.numel(), 1))

"""A physics-informed network (Raissi et al., 2019) for Burgers' equation:

    u_t + u u_x = (0.01 / π) u_xx,    u(0, x) = −sin(π x),    u(t, ±1) = 0

Derivatives by t and x go forward through the layers beside the values: a linear layer maps each of
them as it maps its input, without the bias, and for a = tanh z

    a_t = (1 − a²) z_t,    a_x = (1 − a²) z_x,    a_xx = (1 − a²) (z_xx − 2 a z_x²)
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

VISCOSITY: Final = 0.01 / math.pi
WIDTHS: Final = (2, 32, 32, 32, 1)


class Jet(NamedTuple):
    """Values at points, and their derivatives; each of shape (batch, units)."""

    value: Tensor
    by_time: Tensor
    by_place: Tensor
    twice_by_place: Tensor


class BurgersNetwork(nn.Module):
    """u(t, x) as a perceptron of three layers of 32 with tanh, at Xavier's normal start."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in pairwise(WIDTHS))
        for name, parameter in self.named_parameters():
            if name.endswith("weight"):
                nn.init.xavier_normal_(parameter)
            else:
                nn.init.zeros_(parameter)

    def forward(self, points: Tensor) -> Tensor:
        """What is missing to the equation at points (batch, 2), to the beginning at their x, and to
        both ends at their t; shape (4, batch)."""
        times, places = points.unbind(-1)
        one = torch.ones_like(times)
        at_begin = torch.stack([0 * one, places], dim=-1)
        at_left = torch.stack([times, -one], dim=-1)
        at_right = torch.stack([times, one], dim=-1)

        u = self.differentiate(torch.cat([points, at_begin, at_left, at_right]))
        drift = u.value * u.by_place
        residual = u.by_time + drift - VISCOSITY * u.twice_by_place
        inside = residual.squeeze(-1).chunk(4)[0]
        begin, left, right = u.value.squeeze(-1).chunk(4)[1:]
        return torch.stack([inside, begin + torch.sin(math.pi * places), left, right])

    def differentiate(self, points: Tensor) -> Jet:
        """u and its derivatives at points (batch, 2)."""
        zero = torch.zeros_like(points)
        by_time, by_place = torch.eye(2, dtype=points.dtype)
        jet = Jet(points, zero + by_time, zero + by_place, zero)
        *hidden, last = self.layers
        for layer in hidden:
            jet = _pass_tanh(_pass_linear(jet, layer))
        return _pass_linear(jet, last)


def _pass_linear(jet: Jet, layer: nn.Module) -> Jet:
    assert isinstance(layer, nn.Linear)
    slopes = [F.linear(slope, layer.weight) for slope in jet[1:]]
    return Jet(layer(jet.value), *slopes)


def _pass_tanh(jet: Jet) -> Jet:
    value = torch.tanh(jet.value)
    slope = 1 - value.square()
    bend = jet.twice_by_place - 2 * value * jet.by_place.square()
    return Jet(value, slope * jet.by_time, slope * jet.by_place, slope * bend)

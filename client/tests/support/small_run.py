"""A small Θ, and parameters of every kind of shape with gradients to step on."""

from __future__ import annotations

from typing import Any

import torch
from hyperadam import Theta
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamRule, HyperAdamSpec
from torch import Tensor, nn


def make_theta(seed: int = 0, **options: Any) -> Theta:
    rule = HyperAdamRule(HyperAdamSpec(**{"n_candidates": 4, "normalization": "rms", **options}))
    vector = rule.pack(rule.init_theta(torch.Generator().manual_seed(seed), "adam-ensemble"))
    return Theta.from_vector(rule, vector, rate=Rate(lr=0.01))


def make_parameters(dtype: torch.dtype = torch.float32) -> list[nn.Parameter]:
    return [nn.Parameter(torch.randn(shape).to(dtype)) for shape in [(3, 4), (4,), (), (2, 1, 3)]]


def set_gradients(parameters: list[nn.Parameter], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator).to(parameter)


def copy_weights(parameters: list[nn.Parameter]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def find_moved(parameters: list[nn.Parameter], before: list[Tensor]) -> list[bool]:
    return [not torch.equal(x, y) for x, y in zip(parameters, before, strict=True)]

"""Learned optimizers and, as the control, torch's AdamW: what tests of training loops run alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from hyperadam import HyperAdam, RNNprop, Theta
from hyperadam.rates import Rate
from hyperadam.rules import HyperAdamTensorRule, HyperAdamTensorSpec, RNNpropRule
from small_run import make_theta
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

Make = Callable[..., Optimizer]


def make_adamw(parameters: Any, **options: Any) -> Optimizer:
    return AdamW(parameters, **{"lr": 0.01, "weight_decay": 0.0, **options})


@cache
def make_small_theta() -> Theta:
    return make_theta()


@cache
def make_tensor_theta() -> Theta:
    rule = HyperAdamTensorRule()
    vector = rule.pack(rule.init_theta(torch.Generator().manual_seed(0)))
    return Theta.from_vector(rule, vector, rate=Rate(lr=1.0))


@cache
def make_network_theta() -> Theta:
    """One that sees the network, and makes something of it."""
    rule = HyperAdamTensorRule(HyperAdamTensorSpec(sees_network=True))
    generator = torch.Generator().manual_seed(0)
    vector = rule.pack(rule.init_theta(generator))
    vector = vector + 0.1 * torch.randn(len(vector), generator=generator)
    return Theta.from_vector(rule, vector, rate=Rate(lr=1.0))


@cache
def make_sparse_theta() -> Theta:
    """One that lets a tensor go on where more than 0.55 of it has no gradient."""
    rule = HyperAdamTensorRule(HyperAdamTensorSpec(sparse_above=0.55))
    vector = rule.pack(rule.init_theta(torch.Generator().manual_seed(0)))
    return Theta.from_vector(rule, vector, rate=Rate(lr=1.0))


@cache
def make_rnnprop_theta() -> Theta:
    rule = RNNpropRule()
    vector = 0.5 * torch.randn(rule.n_theta, generator=torch.Generator().manual_seed(0))
    return Theta.from_vector(rule, vector, rate=Rate(lr=0.1))


def make_hyperadam(parameters: Any, **options: Any) -> Optimizer:
    return HyperAdam(parameters, make_small_theta(), **options)


def make_tensor(parameters: Any, **options: Any) -> Optimizer:
    return HyperAdam(parameters, make_tensor_theta(), **options)


def make_rnnprop(parameters: Any, **options: Any) -> Optimizer:
    return RNNprop(parameters, make_rnnprop_theta(), **options)


LEARNED: dict[str, Make] = {
    "hyperadam": make_hyperadam,
    "tensor": make_tensor,
    "rnnprop": make_rnnprop,
}
every_optimizer = pytest.mark.parametrize(
    "make", [make_adamw, *LEARNED.values()], ids=["adamw", *LEARNED]
)
every_learned = pytest.mark.parametrize("make", list(LEARNED.values()), ids=list(LEARNED))


def make_model() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))


def set_random_gradients(parameters: Any, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator).to(parameter)


def train(model: nn.Module, optimizer: Optimizer, steps: range) -> None:
    for step in steps:
        set_random_gradients(model.parameters(), step)
        optimizer.step()


def flatten(model: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


def name_first_moment(optimizer: Optimizer) -> str:
    return "exp_avg" if isinstance(optimizer, AdamW) else "m"
